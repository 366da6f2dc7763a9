"""Keep the output of a forward pass and none of its graph; run it again for its gradient."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import get_device_states, set_device_states


def recompute(run: Callable[[], Tensor], parameters: Sequence[Tensor], device: torch.device) -> Tensor:
    """The output of `run`, whose gradient is computed by running it a second time.

    Between the two passes nothing is kept but the output and the state of the random numbers. `torch.utils.checkpoint`
    keeps a record of every tensor of the graph, some 20 MB for a pass of MiniLM over 2,048 tokens, until the step ends.

    Source: Gao et al., RepL4NLP 2021 (arXiv 2101.06983), gradient caching.

    Args:
        run: A pure function of `parameters` and of random numbers; what else it reads gets no gradient.
        parameters: What the gradient is taken of.
        device: Where `run` computes.
    """
    output: Tensor = _Recomputed.apply(run, device, *parameters)  # type: ignore[no-untyped-call]  # torch leaves it so
    return output


class _Recomputed(torch.autograd.Function):
    """A node whose backward pass builds the graph of one forward pass and takes it down again."""

    @staticmethod
    def forward(ctx: Any, run: Callable[[], Tensor], device: torch.device, *parameters: Tensor) -> Tensor:
        ctx.run, ctx.device, ctx.parameters = run, device, parameters
        # Read here: the backward pass runs outside of the precision and the random numbers of the step.
        ctx.precision = torch.is_autocast_enabled(device.type), torch.get_autocast_dtype(device.type)
        ctx.cpu_state = torch.get_rng_state()
        ctx.devices, ctx.device_states = get_device_states(torch.empty(0, device=device))
        with _autocast(ctx):
            return run()  # no graph: autograd is off inside of a function

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        forked = "cuda" if ctx.device.type == "cpu" else ctx.device.type  # the CPU's own state is always forked
        with torch.random.fork_rng(ctx.devices, device_type=forked):
            torch.set_rng_state(ctx.cpu_state)
            set_device_states(ctx.devices, ctx.device_states, device_type=ctx.device.type)
            with torch.enable_grad(), _autocast(ctx):
                output = ctx.run()
            return (None, None, *torch.autograd.grad(output, ctx.parameters, gradients[0], allow_unused=True))


def _autocast(ctx: Any) -> AbstractContextManager[None]:
    # Weights cast while autograd is off would stay in the cache without a graph.
    enabled, dtype = ctx.precision
    context: AbstractContextManager[None] = torch.autocast(ctx.device.type, dtype, enabled, cache_enabled=False)
    return context
