"""Texts that a longer text contains, nearly: by the runs of words that both have."""

from collections import defaultdict
from collections.abc import Iterable

from embedder.texts import question_form, words


class Excerpts:
    """Some texts, to be found in passages, whatever their cut, letter case and white space.

    Args:
        texts: A text of fewer words than a run is never found.
        run: Words in a row that make it likely that two texts are about the same thing.
        share: Of the runs of the shorter one of text and passage that both must have.
    """

    def __init__(self, texts: Iterable[str], run: int, share: float) -> None:
        self._run, self._share = run, share
        self._sizes: dict[str, int] = {}
        self._with: dict[int, list[str]] = defaultdict(list)
        for text in texts:
            grams = self._grams(text)
            self._sizes[text] = len(grams)
            for gram in grams:
                self._with[gram].append(text)

    def like(self, passage: str) -> list[str]:
        """The texts that share enough with the passage."""
        if not self._with:
            return []
        grams = self._grams(passage)
        shared: dict[str, int] = defaultdict(int)
        for gram in grams:
            for text in self._with.get(gram, ()):
                shared[text] += 1
        return [text for text, n in shared.items() if n >= self._share * min(len(grams), self._sizes[text])]

    def _grams(self, text: str) -> set[int]:
        """Hashes of all runs of words."""
        parts = words(question_form(text))
        return {hash(tuple(parts[start : start + self._run])) for start in range(len(parts) - self._run + 1)}
