"""Attention of our own, which transformers calls by a name in place of its own."""

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def register_attention(name: str, attend: Callable[..., Any]) -> None:
    """Tell transformers of it, once a process; passes that bring no mask of four dimensions get that of `sdpa`."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(name, attend)
    AttentionMaskInterface.register(name, sdpa_mask)
