"""Divide batches among processes, and gather tensors of all of them with exact gradients."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from embedder.processes import Processes


def rows_of(processes: Processes, n: int) -> range:
    """Which rows of a batch of `n` a process has; of fewer rows than processes all of them, since a loss needs some."""
    return range(n) if n < processes.size else processes.share(n)


def gather_rows(local: Tensor, rows: int) -> Tensor:
    """Rows of all processes in order of their rank: [B, ...] -> [W * rows, ...].

    Gradients flow back to the process that made each row, summed over all that used it. With the average that
    data-parallel training takes of them, the gradient is that of one process with the whole batch.

    Args:
        local: This process's rows, at most `rows` of them.
        rows: What the rows of each process are filled up to with zeros; the same on all.
    """
    if Processes.here().size == 1:
        return local
    gathered: Tensor = _GatherRows.apply(_filled(local, rows))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return gathered


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of every process's value, the same on all; without gradient."""
    total = value.detach().clone()
    if Processes.here().size > 1:
        dist.all_reduce(total)
    return total


def _filled(local: Tensor, rows: int) -> Tensor:
    """Filled up with rows of zeros."""
    return F.pad(local, (0, 0) * (local.ndim - 1) + (0, rows - len(local)))


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
