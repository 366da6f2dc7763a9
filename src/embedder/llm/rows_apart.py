"""Attention for packed rows that go through a model as one row without padding: each of them is attended to apart.

On a CPU padding costs as much as real tokens, and a call of attention for each row costs little.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

ROWS_APART = "embedder_rows_apart"


def attend_apart(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    row_lengths: Sequence[int] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of the rows that lie behind each other in one, neighbours of one length together.

    Args:
        module: The attention of a layer.
        query: [1, H, T, d].
        key: Behind P tokens that all rows see, [1, K, P + T, d].
        value: The same.
        attention_mask: Of the rows with padding, [B, 1, L, P + L].
        row_lengths: Without padding, B numbers whose sum is T; None for a pass that is not packed.
        kwargs: For torch's attention.

    Returns:
        [1, T, H, d].
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if row_lengths is None or attention_mask is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    prefix = key.shape[2] - query.shape[2]
    outputs: list[Tensor] = []
    first = start = 0
    for length, group in groupby(row_lengths):
        rows = len(list(group))
        end = start + rows * length

        def apart(states: Tensor, start: int, end: int, rows: int = rows) -> Tensor:
            """[1, H, T, d] to [rows, H, length, d]."""
            return states[0, :, start:end].reshape(states.shape[1], rows, -1, states.shape[-1]).transpose(0, 1)

        keys, values = (
            torch.cat([part[:, :, :prefix].expand(rows, -1, -1, -1), apart(part, prefix + start, prefix + end)], 2)
            for part in (key, value)
        )
        mask = attention_mask[first : first + rows, :, :length, : prefix + length]
        output, _ = sdpa_attention_forward(module, apart(query, start, end), keys, values, mask, **kwargs)
        outputs.append(output.flatten(0, 1))  # [rows * length, H, d]
        first, start = first + rows, end
    return torch.cat(outputs)[None], None
