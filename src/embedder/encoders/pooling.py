"""From token states to one vector a text."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

Pooling = Callable[[Tensor, Tensor], Tensor]


def cls_pooling(states: Tensor, mask: Tensor) -> Tensor:
    """State of the first real token: [B, L, D], [B, L] -> [B, D]. Padding may stand on either side."""
    first = mask.argmax(dim=1)  # [B]
    return states[first.new_tensor(range(len(first))), first]


def mean_pooling(states: Tensor, mask: Tensor) -> Tensor:
    """Mean of the states of real tokens: [B, L, D], [B, L] -> [B, D], summed in float32."""
    weights = mask.unsqueeze(-1).float()  # [B, L, 1]
    return ((states.float() * weights).sum(dim=1) / weights.sum(dim=1)).to(states.dtype)


def last_pooling(states: Tensor, mask: Tensor) -> Tensor:
    """State of the last real token: [B, L, D], [B, L] -> [B, D]. Padding may stand on either side."""
    length = mask.shape[1]
    last = length - 1 - mask.flip(dims=[1]).argmax(dim=1)  # [B]
    return states[last.new_tensor(range(len(last))), last]


PoolingName = Literal["cls", "last", "mean"]
POOLINGS: dict[PoolingName, Pooling] = {"cls": cls_pooling, "mean": mean_pooling, "last": last_pooling}
