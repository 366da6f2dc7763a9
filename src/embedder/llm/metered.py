"""An LLM whose tokens are counted."""

import time
from collections.abc import Sequence
from typing import Any

from embedder.llm.abilities import written_to_score
from embedder.llm.usage import CHARACTERS_A_TOKEN, Kind, Usage
from embedder.types import LanguageModel, OutputScore


class MeteredLanguageModel:
    """Implements `embedder.types.LanguageModel` over another one, and counts what goes through it.

    Args:
        language_model: What is counted.
    """

    def __init__(self, language_model: LanguageModel) -> None:
        self._language_model = language_model
        self.usage = Usage()

    def __getattr__(self, name: str) -> Any:
        """All else is as the LLM has it, such as its fingerprint."""
        return getattr(self._language_model, name)

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """See `LanguageModel`."""
        before = self._now
        scores = self._language_model.score(prompts, outputs)
        written = self._written_to_score(sum(map(bool, outputs)))
        self._count("score", before, _length(prompts) + sum(map(_length, outputs)), written)
        return scores

    def generate(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """See `LanguageModel`."""
        before = self._now
        texts = self._language_model.generate(prompts, max_new_tokens, stop)
        self._count("write", before, _length(prompts), _length(texts))
        return texts

    def answer(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int
    ) -> tuple[list[str], list[list[OutputScore]]]:
        """See `LanguageModel`."""
        before = self._now
        texts, scores = self._language_model.answer(prompts, outputs, max_new_tokens)
        written = _length(texts) + self._written_to_score(sum(map(bool, outputs)))
        self._count("write", before, _length(prompts) + sum(map(_length, outputs)), written)
        return texts, scores

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """See `LanguageModel`."""
        before = self._now
        sampled = self._language_model.sample(prompts, n, max_new_tokens, temperature, seeds)
        self._count("sample", before, _length(prompts), sum(map(_length, sampled)))
        return sampled

    def _written_to_score(self, n_prompts: int) -> int:
        """Characters, at most: what an LLM writes to score is not shown."""
        return round(n_prompts * written_to_score(self._language_model) * CHARACTERS_A_TOKEN)

    def _count(self, kind: Kind, before: tuple[int, float], read: int, written: int) -> None:
        tokens, clock = self._now
        self.usage.asked_for(kind, tokens - before[0], read, written, clock - before[1])

    @property
    def _now(self) -> tuple[int, float]:
        """Tokens run so far, and the time."""
        return self._language_model.tokens_run, time.perf_counter()


def _length(texts: Sequence[str]) -> int:
    return sum(map(len, texts))
