"""Which tokens of a packed row see which: numbers added to the scores of attention, or blocks that are skipped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor

from embedder.llm.rows_apart import ROWS_APART, attend_apart
from embedder.models.attention import register_attention

PackedAttention = Literal["sdpa", "flex_attention"]
"""`sdpa` reads a mask of every pair of tokens; `flex_attention` skips the blocks of pairs of which none is allowed."""


Rule = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Whether a query sees a key, by the numbers of row, head, query and key, which may be tensors that broadcast."""


def attention_masks(config: Any, branches: Tensor, positions: Tensor, prefix_length: int, dtype: torch.dtype) -> Any:
    """The mask of some rows in the form that the model's attention reads.

    Args:
        config: Of the model: its attention, and its sliding window.
        branches: 0 in the prompt, 1, 2, ... in the outputs, -1 in the padding, [B, L].
        positions: Of the tokens behind the prefix that the rows share, [B, L].
        prefix_length: Its tokens, P, which all others see; models with a sliding window have none.
        dtype: Of the scores.

    Returns:
        One mask over [B, L, P + L], or a dictionary of them for models that mix full and sliding attention.
    """
    in_blocks = getattr(config, "_attn_implementation", None) == "flex_attention"

    def mask(window: int | None) -> Any:
        rule = _rule(branches, positions, prefix_length, window)
        shape = (len(branches), branches.shape[1], prefix_length + branches.shape[1])
        return _blocks(rule, shape, branches.device) if in_blocks else _additive(rule, shape, branches.device, dtype)

    window = getattr(config, "sliding_window", None)
    if window is not None and getattr(config, "layer_types", None) is not None:
        return {"full_attention": mask(None), "sliding_attention": mask(window)}
    return mask(window)


def _rule(branches: Tensor, positions: Tensor, prefix_length: int, window: int | None) -> Rule:
    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        own = (key - prefix_length).clamp(min=0)  # its place in the row
        of_query, of_key = branches[row, query], branches[row, own]
        # Padding sees itself: a row without any allowed key would be a softmax over nothing.
        allowed = (own <= query) & ((of_key == of_query) | (of_key == 0))
        if window is not None:
            allowed = allowed & (positions[row, query] - positions[row, own] < window)
        return allowed | (key < prefix_length)

    return sees


def _additive(rule: Rule, shape: tuple[int, int, int], device: torch.device, dtype: torch.dtype) -> Tensor:
    """0 where a pair is allowed and the smallest number elsewhere, [B, 1, L, P + L]."""
    rows, queries, keys = (torch.arange(n, device=device) for n in shape)
    row, query, key = rows[:, None, None], queries[:, None], keys
    blocked = torch.zeros(shape, dtype=dtype, device=device)
    return blocked.masked_fill_(~rule(row, row, query, key), torch.finfo(dtype).min)[:, None]


def _blocks(rule: Rule, shape: tuple[int, int, int], device: torch.device) -> Any:
    """The blocks of 128 x 128 pairs of which at least one is allowed, a `BlockMask`."""
    from torch.nn.attention.flex_attention import create_block_mask

    make: Callable[..., Any] = create_block_mask
    return make(rule, shape[0], None, *shape[1:], device=device)


@contextmanager
def attending_by(model: Any, attention: PackedAttention) -> Iterator[None]:
    """Score with a Hugging Face model by another attention, and give it its own again afterwards.

    With `sdpa` on a CPU, packed rows go through without padding.
    """
    before = model.config._attn_implementation
    apart = model.device.type == "cpu" and attention == before == "sdpa"
    if attention in (before, "sdpa") and not apart:
        yield
        return
    register_attention(ROWS_APART, attend_apart)
    # On a CPU, torch 2.13 makes code that does not build as soon as lengths differ: there it runs as it is written.
    as_written = not apart and model.device.type != "cuda"
    compiled = torch.compiler.set_stance("force_eager") if as_written else nullcontext()
    model.set_attn_implementation(ROWS_APART if apart else attention)
    try:
        with compiled:
            yield
    finally:
        model.set_attn_implementation(before)
