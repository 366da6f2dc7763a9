"""Run texts of any lengths as one row without padding: all layers see real tokens only, attention one text at a time.

Padding to the longest text of a batch costs a third of the work on passages, and each of many small pieces costs a
gradient of the whole vocabulary. Here a batch is one row of tokens whose positions start at 0 with every text, and
attention is a function of this file that transformers calls in place of its own.
"""

import inspect
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from embedder.encoders.backbone import first_position

_NAME = "embedder_unpadded"
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}  # of the largest hidden number


def run_unpadded(backbone: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Hidden states of padded rows, computed without the padding.

    Args:
        backbone: One that `prepare_unpadded` has accepted.
        ids: Tokens, [B, L], longest first or in any order; neighbours of one length are attended to together.
        mask: Which are real, padding on the right, [B, L].

    Returns:
        [B, L, D], zeros at the padding.
    """
    real = mask.bool()
    lengths = mask.sum(1).tolist()
    positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)[real].unsqueeze(0)  # [1, T]
    arguments: dict[str, Any] = {"position_ids": positions + first_position(backbone), "text_lengths": lengths}
    if "token_type_ids" in inspect.signature(_whole(backbone).forward).parameters:
        arguments["token_type_ids"] = torch.zeros_like(positions)  # some keep a buffer that is too short for a long row
    no_mask = ids.new_zeros(1, 1, 1, 1)  # four dimensions: transformers takes it as made and makes no mask itself
    packed = backbone(
        input_ids=ids[real].unsqueeze(0), attention_mask=no_mask, **arguments
    ).last_hidden_state  # [1, T, D]
    states: Tensor = packed.new_zeros(*ids.shape, packed.shape[-1]).masked_scatter(real.unsqueeze(-1), packed)
    return states


def prepare_unpadded(backbone: Any) -> bool:
    """Make a backbone attend without padding, if it can.

    Two short texts are run both ways: models that place tokens relative to each other, that look through a sliding
    window, or that do not hand arguments on to their attention give other numbers, and stay as they were.

    Returns:
        Whether it can.
    """
    whole = _whole(backbone)
    before = whole.config._attn_implementation
    if before != "sdpa" or _has_window(whole.config):
        return False
    register_unpadded()
    was_training = whole.training
    whole.eval()
    device = next(whole.parameters()).device
    low, high = 5, min(64, whole.config.vocab_size)
    ids = torch.arange(low, low + 24, device=device).remainder(high).view(2, 12)
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    try:
        with torch.inference_mode():
            padded = backbone(input_ids=ids, attention_mask=mask).last_hidden_state * mask.unsqueeze(-1)
            whole.set_attn_implementation(_NAME)
            unpadded = run_unpadded(backbone, ids, mask)
        same = (padded - unpadded).abs().max() <= _TOLERANCE.get(padded.dtype, 5e-2) * padded.abs().max()
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, IndexError):  # it takes other arguments
        same = torch.tensor(False)
    finally:
        whole.train(was_training)
    if not same:
        whole.set_attn_implementation(before)
    return bool(same)


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    text_lengths: Sequence[int] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention inside each text of a row: [1, H, T, d] to [1, T, H, d]; padded rows go the usual way."""
    if text_lengths is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, is_causal, **kwargs)
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    outputs, start = [], 0
    for length, group in groupby(text_lengths):
        n = len(list(group))
        group_query, group_key, group_value = (
            tensor[0, :, start : start + n * length]
            .reshape(tensor.shape[1], n, length, -1)
            .transpose(0, 1)  # [n, H, length, d]
            for tensor in (query, key, value)
        )
        output = F.scaled_dot_product_attention(
            group_query,
            group_key,
            group_value,
            dropout_p=dropout,
            is_causal=causal,
            scale=scaling,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        outputs.append(output.transpose(1, 2).flatten(0, 1))  # [n * length, H, d]
        start += n * length
    return torch.cat(outputs).unsqueeze(0), None


def register_unpadded() -> None:
    """Tell transformers of this attention; once a process."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, sdpa_mask)  # for padded rows


def _whole(backbone: Any) -> Any:
    """The transformer itself, inside of adapters."""
    return backbone.get_base_model() if hasattr(backbone, "get_base_model") else backbone


def _has_window(config: Any) -> bool:
    kinds = getattr(config, "layer_types", None) or ()
    windows = (getattr(config, name, None) for name in ("sliding_window", "local_attention"))
    return any("sliding" in str(kind) for kind in kinds) or any(window for window in windows)
