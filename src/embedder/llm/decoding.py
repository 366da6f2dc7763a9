"""Let a causal model write: many prompts at once, each as if it were alone."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache

from embedder.llm.shared_prefix import SharedPrefix, can_share, growing, roomy, run_prefix, shared_prefixes
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

    def choose(logits: Tensor, rows: list[int], step: int) -> Tensor:
        cumulative = (logits.float() / temperature).softmax(-1).cumsum(-1)  # [R, V]
        # Scaled by the last sum, which rounding keeps from being exactly 1.
        thresholds = numbers[rows, step].to(logits.device)[:, None] * cumulative[:, -1:]
        return torch.searchsorted(cumulative, thresholds, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)

    return choose


@torch.inference_mode()
def write(
    model: Any,
    prompts: Sequence[Sequence[int]],
    n: int,
    max_new_tokens: int,
    batch_tokens: int,
    choose: Choose,
    is_complete: Callable[[list[int]], bool],
) -> list[list[int]]:
    """Continue every prompt `n` times, token by token, over a cache of keys and values.

    Args:
        model: A Hugging Face causal language model in evaluation mode.
        prompts: Token ids, none empty.
        n: Continuations of each prompt; the prompt itself is run once.
        max_new_tokens: Upper bound of tokens in a continuation.
        batch_tokens: Upper bound of the tokens in the cache: rows x (prompt + continuation).
        choose: `greedy` or a `sampler`.
        is_complete: Whether a continuation, with its newest token, needs no more tokens.

    Returns:
        The tokens of continuation k of prompt i at `i * n + k`, with the token that completed it.
    """
    written: list[list[int]] = [[] for _ in range(len(prompts) * n)]
    nothing_shared = [SharedPrefix(0, tuple(range(len(prompts))))]
    for shared in shared_prefixes(prompts) if can_share(model.config) else nothing_shared:
        prefix = run_prefix(model, prompts[shared.rows[0]][: shared.length]) if shared.length else None
        lengths = [(len(prompts[i]) + max_new_tokens) * n for i in shared.rows]
        for batch in token_batches(lengths, batch_tokens):
            some = [shared.rows[k] for k in batch]
            rests = [prompts[i][shared.length :] for i in some]
            rows = [i * n + k for i in some for k in range(n)]
            _write_batch(model, prefix, shared.length, rests, n, max_new_tokens, choose, is_complete, rows, written)
    return written


def _write_batch(
    model: Any,
    prefix: Any,
    prefix_length: int,
    prompts: Sequence[Sequence[int]],
    n: int,
    max_new_tokens: int,
    choose: Choose,
    is_complete: Callable[[list[int]], bool],
    rows: list[int],
    written: list[list[int]],
) -> None:
    width = max(map(len, prompts))
    # Padded on the left, behind the prefix, so that the next token of every row has the same place in the cache.
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
    settings = {"past_key_values": cache, "use_cache": True, **_last_logits(model)}
    logits = model(input_ids=tokens, attention_mask=mask, position_ids=positions, **settings).logits[:, -1]
    if n > 1:
        cache.batch_repeat_interleave(n)
        mask, logits = mask.repeat_interleave(n, 0), logits.repeat_interleave(n, 0)
    write_on(model, cache, mask, logits, rows, max_new_tokens, choose, is_complete, written)


def write_on(
    model: Any,
    cache: Cache,
    mask: Tensor,
    logits: Tensor,
    rows: list[int],
    max_new_tokens: int,
    choose: Choose,
    is_complete: Callable[[list[int]], bool],
    written: list[list[int]],
) -> None:
    """Write behind what a cache holds, one token of every row at a time, until all rows are complete.

    Args:
        model: The language model.
        cache: Keys and values of what was read.
        mask: Which of them the rows see, [R, n]; as many as it sees have been read of a row.
        logits: Of the next token, [R, V].
        rows: The numbers of the rows.
        max_new_tokens: Upper bound of tokens in a continuation.
        choose: Picks the next tokens.
        is_complete: Whether a continuation needs no more tokens.
        written: By the number of a row; tokens are appended.
    """
    last_only = _last_logits(model)
    running = set(rows)
    for step in range(max_new_tokens):
        chosen = choose(logits, rows, step)  # [R]
        for row, token in zip(rows, chosen.tolist(), strict=True):
            if row in running:
                written[row].append(token)
                if is_complete(written[row]):
                    running.remove(row)
        if not running or step + 1 == max_new_tokens:
            return
        if len(running) <= 0.75 * len(rows):  # dropping rows copies the cache, so not for every single one
            keep = torch.tensor([k for k, row in enumerate(rows) if row in running], device=model.device)
            rows = [row for row in rows if row in running]
            cache.batch_select_indices(keep)
            mask, chosen = mask[keep], chosen[keep]
        positions = mask.sum(-1, keepdim=True)  # [R, 1]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        settings = {"past_key_values": cache, "use_cache": True, **last_only}
        logits = model(input_ids=chosen[:, None], attention_mask=mask, position_ids=positions, **settings).logits[:, -1]


def _last_logits(model: Any) -> dict[str, int]:
    """Logits of a whole prompt can be larger than the model; most models offer to make the last ones only."""
    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
