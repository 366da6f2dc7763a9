"""Decoding with a causal model: many prompts at once, each with the result that it has alone."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache

from embedder.llm.logits import of_rows
from embedder.llm.shared_prefix import (
    SharedPrefix,
    can_share,
    growing,
    roomy,
    run_prefix,
    shared_prefixes,
    with_cache,
)
from embedder.models.token_batches import token_batches

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

    def draw(logits: Tensor, drawn: Tensor) -> Tensor:
        cumulative = (logits.float() / temperature).softmax(-1).cumsum(-1)  # [R, V]
        # Scaled by the last sum, which rounding keeps from being exactly 1.
        thresholds = drawn[:, None] * cumulative[:, -1:]
        return torch.searchsorted(cumulative, thresholds, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)

    def choose(logits: Tensor, rows: list[int], step: int) -> Tensor:
        return of_rows(draw, logits, numbers[rows, step].to(logits.device))

    return choose


@dataclass(frozen=True)
class Writing:
    """How continuations are written.

    Args:
        max_new_tokens: Upper bound of tokens in a continuation.
        is_complete: Whether a continuation, with its newest token, needs no more tokens.
        choose: `greedy` or a `sampler`.
    """

    max_new_tokens: int
    is_complete: Callable[[list[int]], bool]
    choose: Choose = greedy


@dataclass(frozen=True)
class ReadRows:
    """What a model holds of R rows of tokens that it has read.

    Args:
        cache: Keys and values of n tokens of each row.
        mask: Which of them the row sees, [R, n].
        logits: Of the next token, [R, V].
    """

    cache: Cache
    mask: Tensor
    logits: Tensor


@torch.inference_mode()
def write(model: Any, prompts: Sequence[Sequence[int]], n: int, writing: Writing, batch_tokens: int) -> list[list[int]]:
    """Continue every prompt `n` times, token by token, over a cache of keys and values.

    Args:
        model: A Hugging Face causal language model in evaluation mode.
        prompts: Token ids, none empty.
        n: Continuations of each prompt; the prompt itself is run once.
        writing: How they are written.
        batch_tokens: Upper bound of the tokens in the cache: rows x (prompt + continuation).

    Returns:
        The tokens of continuation k of prompt i at `i * n + k`, with the token that completed it.
    """
    written: dict[int, list[int]] = {}
    nothing_shared = [SharedPrefix(0, tuple(range(len(prompts))))]
    for shared in shared_prefixes(prompts) if can_share(model.config) else nothing_shared:
        prefix = run_prefix(model, prompts[shared.rows[0]][: shared.length]) if shared.length else None
        lengths = [(len(prompts[i]) + writing.max_new_tokens) * n for i in shared.rows]
        for batch in token_batches(lengths, batch_tokens):
            numbers = [shared.rows[k] for k in batch]
            rests = [prompts[i][shared.length :] for i in numbers]
            read = _repeated(_read(model, rests, prefix, shared.length, writing.max_new_tokens), n)
            written |= write_on(model, read, [i * n + k for i in numbers for k in range(n)], writing)
    return [written[row] for row in range(len(prompts) * n)]


def _read(
    model: Any, prompts: Sequence[Sequence[int]], prefix: Cache | None, prefix_length: int, max_new_tokens: int
) -> ReadRows:
    """Run prompts behind the prefix that they share."""
    width = max(map(len, prompts))
    # Padded on the left, behind the prefix, so that the next token of every row has the same position in the cache.
    tokens = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=model.device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=model.device)
    mask = (torch.arange(width, device=model.device) >= width - lengths[:, None]).long()  # [P, L]
    room = prefix_length + width + max_new_tokens - 1  # the last token is not read again
    cache: Cache
    if prefix is not None:
        cache = growing(prefix, len(prompts), room)
    elif can_share(model.config):
        cache = roomy(model.config, room)
    else:
        cache = DynamicCache(config=model.config)
    positions = (prefix_length + mask.cumsum(-1) - 1).clamp(min=0)
    mask = torch.nn.functional.pad(mask, (prefix_length, 0), value=1)  # [P, prefix + L]
    return ReadRows(cache, mask, _next_logits(model, tokens, mask, positions, cache))


def _repeated(read: ReadRows, n: int) -> ReadRows:
    """Each row `n` times."""
    if n == 1:
        return read
    read.cache.batch_repeat_interleave(n)
    return ReadRows(read.cache, read.mask.repeat_interleave(n, 0), read.logits.repeat_interleave(n, 0))


def write_on(model: Any, read: ReadRows, rows: list[int], writing: Writing) -> dict[int, list[int]]:
    """Write behind what was read, one token of every row at a time, until all rows are complete.

    Args:
        model: The language model.
        read: What it holds of the rows; its cache is used up.
        rows: The numbers of the rows, as `writing.choose` gets them.
        writing: How continuations are written.

    Returns:
        The tokens written, by the number of the row.
    """
    cache, mask, logits = read.cache, read.mask, read.logits
    written: dict[int, list[int]] = {row: [] for row in rows}
    running = set(rows)
    for step in range(writing.max_new_tokens):
        chosen = writing.choose(logits, rows, step)  # [R]
        for row, token in zip(rows, chosen.tolist(), strict=True):
            if row in running:
                written[row].append(token)
                if writing.is_complete(written[row]):
                    running.remove(row)
        if not running or step + 1 == writing.max_new_tokens:
            break
        if len(running) <= 0.75 * len(rows):  # dropping rows copies the cache, so not for every single one
            keep = torch.tensor([k for k, row in enumerate(rows) if row in running], device=model.device)
            rows = [row for row in rows if row in running]
            cache.batch_select_indices(keep)
            mask, chosen = mask[keep], chosen[keep]
        positions = mask.sum(-1, keepdim=True)  # [R, 1]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        logits = _next_logits(model, chosen[:, None], mask, positions, cache)
    return written


def _next_logits(model: Any, tokens: Tensor, mask: Tensor, positions: Tensor, cache: Cache) -> Tensor:
    """Run tokens behind a cache, which takes them in, and return the logits of the next token of each row, [R, V]."""
    output = model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=positions,
        **with_cache(model, cache),
        **_last_only(type(model).forward),
    )
    logits: Tensor = output.logits[:, -1]
    return logits


@functools.cache
def _last_only(forward: Callable[..., Any]) -> dict[str, int]:
    """Logits of a whole prompt can be larger than the model; most models offer to make the last ones only."""
    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(forward).parameters else {}
