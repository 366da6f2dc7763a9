"""Collect tensors from all processes so that gradients stay exact."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def is_distributed() -> bool:
    """Whether more than one process takes part."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def gather_rows(local: Tensor) -> Tensor:
    """Rows of all processes in order of their rank: [B, ...] -> [W * B, ...].

    Gradients flow back to the process that made each row, summed over all that used it. With the average that
    data-parallel training takes of them, the gradient is that of one process with the whole batch.

    Args:
        local: This process's rows; every process has as many.
    """
    if not is_distributed():
        return local
    gathered: Tensor = _GatherRows.apply(local)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return gathered


def largest(value: int, device: torch.device) -> int:
    """The largest of a number over all processes."""
    if not is_distributed():
        return value
    tensor = torch.tensor(value, device=device)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return int(tensor)


class _GatherRows(torch.autograd.Function):
    """All-gather whose backward pass is a reduce-scatter, its exact adjoint."""

    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        gathered = local.new_empty((dist.get_world_size() * len(local), *local.shape[1:]))
        dist.all_gather_into_tensor(gathered, local.contiguous())
        return gathered

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        own = gradient.new_empty((len(gradient) // dist.get_world_size(), *gradient.shape[1:]))
        dist.reduce_scatter_tensor(own, gradient.contiguous())
        return own
