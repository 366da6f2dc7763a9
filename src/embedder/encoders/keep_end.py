"""Cut the front of long texts whose end matters most, such as the last turns of a conversation."""

from collections.abc import Sequence
from typing import Any

from embedder.errors import ConfigError


def keep_ends(tokenizer: Any, texts: Sequence[str], instruction: str, max_length: int) -> list[list[int]]:
    """Token ids of `instruction + text`; where they are too many, the first ones of the text are left out.

    What the tokenizer puts in front, the instruction and what it puts behind stay. A token that the instruction shares
    with the text is the text's.

    Args:
        tokenizer: A fast tokenizer of transformers.
        texts: The texts.
        instruction: Prefix of every text, never cut.
        max_length: In tokens, special tokens included.

    Raises:
        ConfigError: The instruction alone does not leave room for a token of text.
    """
    encoded = tokenizer(
        [instruction + text for text in texts],
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_attention_mask=False,
        truncation=False,
        verbose=False,
    )
    kept_ids = []
    for ids, offsets, special in zip(
        encoded["input_ids"], encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True
    ):
        if (excess := len(ids) - max_length) > 0:
            start = special.index(0) if 0 in special else len(ids)
            while start < len(ids) and instruction and not special[start] and offsets[start][1] <= len(instruction):
                start += 1
            n_text = sum(not added for added in special[start:])
            if excess >= n_text:
                expected = f"more than the {len(ids) - n_text} tokens of instruction and special tokens"
                raise ConfigError("max_length", expected, max_length)
            ids = [*ids[:start], *ids[start + excess :]]
        kept_ids.append(ids)
    return kept_ids
