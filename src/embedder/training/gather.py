"""Collect tensors from all processes so that gradients stay exact."""

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
    """
    if not is_distributed():
        return local
    if local.requires_grad:
        from torch.distributed.nn.functional import all_gather

        return torch.cat(list(all_gather(local)))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    parts = [torch.empty_like(local) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, local)
    return torch.cat(parts)


def largest(value: int, device: torch.device) -> int:
    """The largest of a number over all processes."""
    if not is_distributed():
        return value
    tensor = torch.tensor(value, device=device)
    dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
    return int(tensor)
