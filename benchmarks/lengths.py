"""Texts of the bundled world's words, as long as real ones: how much padding there is depends on how lengths spread."""

import json
import random
from pathlib import Path
from typing import Any

from embedder.world import WorldSettings, write_world

KEY_TOKENS = (17, 52, 68, 81, 94, 108, 122, 138, 159, 195, 256)
"""Deciles of HotpotQA's Wikipedia paragraphs, in MiniLM's tokens."""
QUERY_TOKENS = (9, 10, 10, 11, 11, 11, 12, 12, 13, 15, 25)
"""Deciles of NQ's questions."""
_SPECIAL = 2
"""Tokens that come on top of a text's own."""


class Texts:
    """Cuts of a world's passages, one behind the other, at random.

    Args:
        tokenizer: Of the encoder.
        folder: Where the world is written.
        seed: Of the random numbers.
    """

    def __init__(self, tokenizer: Any, folder: Path, seed: int = 0) -> None:
        write_world(WorldSettings(passages=300, questions=10, test_share=1 / 3, tasks=("qa",)), folder / "world")
        lines = (folder / "world" / "qa" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
        self._ids = [i for line in lines for i in tokenizer(json.loads(line)["text"])["input_ids"][1:-1]]
        self._tokenizer, self._chance = tokenizer, random.Random(seed)

    def draw(self, deciles: tuple[int, ...]) -> str:
        """One text whose number of tokens has these deciles."""
        at = self._chance.random() * (len(deciles) - 1)
        low, high = deciles[int(at)], deciles[int(at) + 1]
        length = round(low + (high - low) * (at % 1)) - _SPECIAL
        start = self._chance.randrange(len(self._ids) - length)
        text: str = self._tokenizer.decode(self._ids[start : start + length])
        return text
