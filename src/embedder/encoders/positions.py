"""How a backbone numbers the positions of tokens."""

from typing import Any


def first_position(backbone: Any) -> int:
    """The number of the first token: RoBERTa and its kin count from `padding_idx + 1`, others from 0."""
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(module.padding_idx) + 1
    return 0


def most_tokens(backbone: Any) -> int:
    """Tokens that a backbone can number: RoBERTa's table of 514 rows reads 512."""
    rows = getattr(backbone.config, "max_position_embeddings", None) or 1 << 30
    return int(rows) - first_position(backbone)
