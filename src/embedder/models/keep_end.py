"""Cut the front of long texts whose end matters most, such as the last turns of a conversation."""

from collections.abc import Sequence
from typing import Any

from embedder.errors import ConfigError


def keep_ends(tokenizer: Any, texts: Sequence[str], instruction: str, max_length: int) -> list[str]:
    """The texts, those that are too long without so much of their front that `instruction + text` fits.

    The cut falls between two tokens of the text. What follows it can tokenise differently by itself (the rest of a
    word), so it is tokenised again, and cut again for as long as it does not fit.

    Args:
        tokenizer: A fast tokenizer of transformers.
        texts: The texts.
        instruction: Prefix of every text, never cut.
        max_length: In tokens, special tokens included.

    Returns:
        A text for each; those that fit are returned as they are.

    Raises:
        ConfigError: The instruction alone does not leave room for a token of text.
    """
    kept = list(texts)
    rows = list(range(len(kept)))
    while rows:
        encoded = tokenizer(
            [instruction + kept[row] for row in rows],
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            return_attention_mask=False,
            truncation=False,
            verbose=False,
        )
        too_long = []
        for row, ids, offsets, special in zip(
            rows, encoded["input_ids"], encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True
        ):
            if (excess := len(ids) - max_length) <= 0:
                continue
            # Where the tokens of the text start, in characters of it; a token that instruction and text share stays.
            starts = [
                start - len(instruction)
                for (start, _), added in zip(offsets, special, strict=True)
                if not added and start >= len(instruction)
            ]
            if excess >= len(starts):
                expected = f"more than the {len(ids) - len(starts)} tokens of instruction and special tokens"
                raise ConfigError("max_length", expected, max_length)
            kept[row] = kept[row][max(starts[excess], 1) :]  # at least a character: tokens can share their place
            too_long.append(row)
        rows = too_long
    return kept
