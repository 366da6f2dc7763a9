"""Let absent keys, marked by a score of -inf, add nothing to a loss and nothing to its gradient.

-inf itself cannot enter the sums: a row of nothing else has NaN as its gradient. The lowest finite number takes its
place: its exponential is exactly 0, differences with it stay finite, and `masked_fill` passes no gradient through.
"""

from typing import Literal

import torch
from torch import Tensor

Reduction = Literal["mean", "none"]
"""As in torch: `mean` over the queries, or `none`, the loss of each query."""


def reduced(losses: Tensor, reduction: Reduction) -> Tensor:
    """Losses of queries, [B], as they are or as their mean.

    Raises:
        ValueError: There is no such reduction.
    """
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction: expected 'mean' or 'none', got {reduction!r}")
    return losses if reduction == "none" else losses.mean()


def at_least_float32(values: Tensor) -> Tensor:
    """The same values in float32, or in float64 if they are: half precision is too coarse for sums of exponentials."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def masked_logsumexp(scores: Tensor, keep: Tensor) -> Tensor:
    """Log-sum-exp over the last dimension of the entries to keep; the lowest finite number where there are none."""
    return scores.masked_fill(~keep, lowest(scores)).logsumexp(dim=-1)


def masked_softmax(logits: Tensor, keep: Tensor) -> Tensor:
    """Softmax over the last dimension of the entries to keep, exactly 0 elsewhere, also where none is to be kept."""
    # -inf is allowed in an entry to keep (a key that nobody rewarded): its weight is 0.
    logits = logits.clamp(min=lowest(logits)).masked_fill(~keep, lowest(logits))
    return logits.softmax(dim=-1).masked_fill(~keep, 0.0)


def infonce(scores: Tensor, negatives: Tensor, other_scores: Tensor | None) -> Tensor:
    """The InfoNCE term of each score: -log(exp(s) / (exp(s) + exp(n) + sum_m exp(o_m))).

    Args:
        scores: Finite scores of the positives, [B, N].
        negatives: Log-sum-exp of the negatives of the same query, [B, N] or [B, 1].
        other_scores: Further negatives of every score, -inf where absent, [B, M].

    Returns:
        The terms, [B, N].
    """
    if other_scores is not None and other_scores.shape[-1] > 0:
        others = at_least_float32(other_scores)
        others = masked_logsumexp(others, ~others.isneginf())  # [B]
        negatives = torch.logaddexp(negatives, others.unsqueeze(-1))
    return -torch.nn.functional.logsigmoid(scores - negatives)


def lowest(values: Tensor) -> float:
    """The lowest finite number of the dtype."""
    return torch.finfo(values.dtype).min


def check_temperature(name: str, temperature: float) -> None:
    """Refuse what would divide by zero or turn the order around.

    Raises:
        ValueError: The temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"{name}: expected a number above 0, got {temperature}")
