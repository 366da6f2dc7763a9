"""How the next token of a text is chosen from the logits: the likeliest one, or a sample."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Choose = Callable[[Tensor, list[int], int], Tensor]
"""Picks the next tokens [R] from logits [R, V] of the given rows at the given step."""


def greedy(logits: Tensor, rows: list[int], step: int) -> Tensor:
    """The most likely token of each row."""
    return logits.argmax(-1)


def sampler(seeds: Sequence[int], n: int, max_new_tokens: int, temperature: float) -> Choose:
    """Sample from softmax(logits / temperature), with the random numbers of each prompt drawn from its own seed.

    All numbers are drawn beforehand (row `i * n + k` is continuation k of prompt i), so a continuation depends neither
    on the other prompts of a batch nor on when they end.
    """
    numbers = torch.stack(
        [torch.rand(n, max_new_tokens, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    ).flatten(0, 1)  # [P * n, T]

    def choose(logits: Tensor, rows: list[int], step: int) -> Tensor:
        cumulative = (logits.float() / temperature).softmax(-1).cumsum(-1)  # [R, V]
        # Scaled by the last sum, which rounding keeps from being exactly 1.
        thresholds = numbers[rows, step].to(logits.device)[:, None] * cumulative[:, -1:]
        return torch.searchsorted(cumulative, thresholds, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)

    return choose
