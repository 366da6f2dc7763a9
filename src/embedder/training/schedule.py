"""The optimizer and its linear warm-up schedule."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from embedder.bounds import NonNegativeFloat, PositiveFloat, ShareBelowOne
from embedder.checks import checked


@checked("optim")
@dataclass(frozen=True)
class AdamWLinear:
    """AdamW with a rate that rises linearly, then falls linearly to 0.

    Source: paper's settings (arXiv 2310.07554, appendix): AdamW, weight decay 0.01, warm-up 0.2 of all steps.

    Args:
        lr: Highest learning rate.
        weight_decay: On matrices; biases and normalisation weights are not decayed.
        warmup: Share of the steps in which the rate rises.
        betas: Decay of the running moments.
        temperature_lr: Highest rate of learned temperatures, which move by their logarithm.
    """

    lr: PositiveFloat
    weight_decay: NonNegativeFloat = 0.01
    warmup: ShareBelowOne = 0.2
    betas: tuple[float, float] = (0.9, 0.999)
    temperature_lr: PositiveFloat = 1e-3

    def optimizer(
        self,
        parameters: Iterable[tuple[str, nn.Parameter]],
        temperatures: Iterable[nn.Parameter] = (),
        *,
        mixed_precision: bool = False,
    ) -> torch.optim.Optimizer:
        """AdamW over the parameters that are trained.

        On a CPU in one kernel, a quarter of the time of torch's loop over tensors; elsewhere and in mixed precision as
        torch sees fit, since Lightning does not clip gradients beside the kernel there.
        """
        trained = [(name, parameter) for name, parameter in parameters if parameter.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for _, p in trained if p.ndim >= 2], "weight_decay": self.weight_decay},
            {"params": [p for _, p in trained if p.ndim < 2], "weight_decay": 0.0},
            {"params": list(temperatures), "weight_decay": 0.0, "lr": self.temperature_lr},
        ]
        return torch.optim.AdamW(
            [group for group in groups if group["params"]],
            fused=True if not mixed_precision and all(p.device.type == "cpu" for _, p in trained) else None,
            lr=self.lr,
            betas=(self.betas[0], self.betas[1]),
        )

    def factor(self, n_steps: int) -> Callable[[int], float]:
        """Factor of the rate at each step (from 0) of a run of `n_steps`."""
        return lambda step: linear_warmup(step, n_steps, self.warmup)


def linear_warmup(step: int, n_steps: int, warmup: float) -> float:
    """Rise from near 0 to 1 over the first `warmup * n_steps` steps, then fall to 0 at `n_steps`.

    >>> [linear_warmup(step, n_steps=10, warmup=0.2) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    n_warmup = round(warmup * n_steps)
    if step < n_warmup:
        return (step + 1) / n_warmup
    return max(0.0, (n_steps - step) / max(1, n_steps - n_warmup))
