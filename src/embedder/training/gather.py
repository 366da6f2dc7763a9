"""Divide work among processes, and gather tensors of all of them with exact gradients."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

TOGETHER = 16
"""Queries that a local LLM judges in one call. What is in a batch changes the last bits of its numbers, so the calls
are the same ones whichever process makes them."""


@dataclass(frozen=True)
class Share:
    """Which queries of a global batch a process takes: a run of neighbours, as long as the others' or one shorter."""

    rank: int
    world_size: int

    def __call__(self, n: int) -> range:
        """The process's part of `range(n)`; of fewer queries than processes, every process takes all."""
        if n < self.world_size:
            return range(n)
        per_process, longer = divmod(n, self.world_size)
        first = self.rank * per_process + min(self.rank, longer)
        return range(first, first + per_process + (self.rank < longer))


def is_distributed() -> bool:
    """Whether more than one process takes part."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def world_size() -> int:
    """How many processes take part."""
    return dist.get_world_size() if is_distributed() else 1


def gather_rows(local: Tensor, rows: int) -> Tensor:
    """Rows of all processes in order of their rank: [B, ...] -> [W * rows, ...].

    Gradients flow back to the process that made each row, summed over all that used it. With the average that
    data-parallel training takes of them, the gradient is that of one process with the whole batch.

    Args:
        local: This process's rows, at most `rows` of them.
        rows: What the rows of each process are filled up to with zeros; the same on all.
    """
    if not is_distributed():
        return local
    gathered: Tensor = _GatherRows.apply(_filled(local, rows))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return gathered


def gather_shares(local: Tensor, n: int) -> Tensor:
    """Rows of all processes, each of which has its `Share` of `n` rows, in their order: [n, ...]; without gradient."""
    world = world_size()
    if world == 1 or n < world:  # of fewer rows than processes every process has all
        return local
    rows = -(-n // world)
    filled = _filled(local, rows).contiguous()
    gathered = filled.new_empty((world * rows, *filled.shape[1:]))
    dist.all_gather_into_tensor(gathered, filled)
    shares = (Share(rank, world)(n) for rank in range(world))
    return torch.cat([gathered[rank * rows :][: len(share)] for rank, share in enumerate(shares)])


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of every process's value, the same on all; without gradient."""
    total = value.detach().clone()
    if is_distributed():
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
