"""Rows of numbers over the vocabulary, a few at a time on a CPU: what is made of them on the way stays in its cache."""

from collections.abc import Callable

import torch
from torch import Tensor

_ROWS = 4  # for each thread; 4 x 50,000 floats are 0.8 MB


def of_rows(compute: Callable[..., Tensor], logits: Tensor, *others: Tensor) -> Tensor:
    """What a function of rows makes of all of them, [R, ...].

    A softmax over a whole batch writes copies as large as the logits to memory, and waits for them.

    Args:
        compute: Takes some rows of each tensor and returns as many; what it makes of a row depends on that row alone.
        logits: [R, V].
        others: Tensors that have R rows too.
    """
    few = _ROWS * torch.get_num_threads() if logits.device.type == "cpu" else max(1, len(logits))
    pieces = zip(*(torch.split(tensor, few) for tensor in (logits, *others)), strict=True)
    return torch.cat([compute(*piece) for piece in pieces])


def normalisers(logits: Tensor) -> Tensor:
    """log(sum(exp(logits))) of each row in float32, [R]."""
    return of_rows(lambda rows: rows.float().logsumexp(-1), logits)
