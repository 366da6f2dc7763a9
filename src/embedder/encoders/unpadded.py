"""Run texts of any lengths as one row without padding: all layers see real tokens only, attention one text at a time.

Padding to the longest text of a batch costs a third of the work on passages, and each of many small pieces costs a
gradient of the whole vocabulary. Here a batch is one row of tokens whose positions start at 0 with every text, and
attention is a function of this file that transformers calls in place of its own: text after text on a CPU, and on a GPU
the kernel of torch for texts of many lengths (`torch.nn.attention.varlen`), which takes half precision.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import accumulate, groupby
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from embedder.encoders.backbone import first_position
from embedder.models.attention import register_attention

_NAME = "embedder_unpadded"
_EXACT, _HALF = 1e-4, 5e-2  # of the largest hidden number: in float32, and in half precision
_KERNEL_DTYPES = (torch.bfloat16, torch.float16)
_KERNEL_CAPABILITY = (8, 0)  # Ampere


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
    if "token_type_ids" in _arguments(type(_whole(backbone)).forward):
        arguments["token_type_ids"] = torch.zeros_like(positions)  # some keep a buffer that is too short for a long row
    no_mask = ids.new_zeros(1, 1, 1, 1)  # four dimensions: transformers takes it as made and makes no mask itself
    packed = backbone(
        input_ids=ids[real].unsqueeze(0), attention_mask=no_mask, **arguments
    ).last_hidden_state  # [1, T, D]
    states: Tensor = packed.new_zeros(*ids.shape, packed.shape[-1]).masked_scatter(real.unsqueeze(-1), packed)
    return states


def kernel_runs(backbone: Any, device: torch.device) -> bool:
    """Whether the kernel for texts of many lengths takes what a backbone gives it on a device.

    It asks for half precision (of the weights, or by autocast), for no dropout, and for a GPU of 2020 or later.
    """
    whole = _whole(backbone)
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else whole.dtype
    drops = whole.training and any(isinstance(part, torch.nn.Dropout) and part.p for part in whole.modules())
    recent = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _KERNEL_CAPABILITY
    return recent and dtype in _KERNEL_DTYPES and not drops


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
    whole.set_attn_implementation(_NAME)
    same = agrees_unpadded(backbone)
    if not same:
        whole.set_attn_implementation(before)
    return same


@torch.no_grad()  # not inference_mode: what FSDP2 makes under it could not be trained
def agrees_unpadded(backbone: Any) -> bool:
    """Whether two short texts give the same hidden states with padding and without, on the device of the backbone."""
    whole = _whole(backbone)
    was_training = whole.training
    whole.eval()
    device = next(whole.parameters()).device
    low, high = 5, min(64, whole.config.vocab_size)
    ids = torch.arange(low, low + 24, device=device).remainder(high).view(2, 12)
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    try:
        padded = backbone(input_ids=ids, attention_mask=mask).last_hidden_state * mask.unsqueeze(-1)
        unpadded = run_unpadded(backbone, ids, mask)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, IndexError, ImportError):
        return False  # it takes other arguments, or this torch has no such kernel
    finally:
        whole.train(was_training)
    tolerance = _EXACT if device.type == "cpu" and whole.dtype == torch.float32 else _HALF
    return bool((padded - unpadded).abs().max() <= tolerance * padded.abs().max())


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
    by_kernel = query.is_cuda and query.dtype in _KERNEL_DTYPES and not dropout
    attend: Callable[..., Tensor] = _attend_at_once if by_kernel else partial(_attend_in_groups, dropout=dropout)
    return attend((query[0], key[0], value[0]), text_lengths, causal, scaling)[None], None


_Row = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values of a row, [H, T, d] each."""


def _attend_in_groups(row: _Row, lengths: Sequence[int], causal: bool, scale: float | None, dropout: float) -> Tensor:
    """Attention inside each text, neighbours of one length together, [T, H, d]."""
    outputs, start, grouped = [], 0, row[0].shape[0] != row[1].shape[0]
    for length, group in groupby(lengths):
        n = len(list(group))
        query, key, value = (
            part[:, start : start + n * length].reshape(part.shape[0], n, length, -1).transpose(0, 1) for part in row
        )  # [n, H, length, d]
        output = F.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=causal, scale=scale, enable_gqa=grouped
        )
        outputs.append(output.transpose(1, 2).flatten(0, 1))  # [n * length, H, d]
        start += n * length
    return torch.cat(outputs)


def _attend_at_once(row: _Row, lengths: Sequence[int], causal: bool, scale: float | None) -> Tensor:
    """The same by one kernel, which has no dropout."""
    from torch.nn.attention.varlen import varlen_attn

    ends = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=row[0].device)
    query, key, value = (part.transpose(0, 1).contiguous() for part in row)  # [T, H, d]
    window, grouped = (-1, 0) if causal else (-1, -1), query.shape[1] != key.shape[1]
    longest = max(lengths)
    output = varlen_attn(
        query, key, value, ends, ends, longest, longest, scale=scale, window_size=window, enable_gqa=grouped
    )
    return cast(Tensor, output)  # it returns more only where more is asked of it


def register_unpadded() -> None:
    """Tell transformers of this attention."""
    register_attention(_NAME, _attend)


@cache  # a signature takes as long to make as a layer to run on one question
def _arguments(forward: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(forward).parameters)


def _whole(backbone: Any) -> Any:
    """The transformer itself, inside of adapters."""
    return backbone.get_base_model() if hasattr(backbone, "get_base_model") else backbone


def _has_window(config: Any) -> bool:
    kinds = getattr(config, "layer_types", None) or ()
    windows = (getattr(config, name, None) for name in ("sliding_window", "local_attention"))
    return any("sliding" in str(kind) for kind in kinds) or any(window for window in windows)
