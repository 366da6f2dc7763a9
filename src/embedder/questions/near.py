"""Questions that ask nearly the same: a set of those that are kept, which says whether a further one is new."""

from embedder.texts import question_form, runs

_ALIKE = 0.8
"""Share of common words (Jaccard) from which two questions count as one."""


class DistinctQuestions:
    """The questions kept so far. Two are alike if `_ALIKE` of their distinct words, taken together, are in both.

    >>> kept = DistinctQuestions()
    >>> [kept.add(text) for text in ("Who built the mill at Tam?", "who built the mill at  Tam", "Who built the mill?")]
    [True, False, True]
    """

    def __init__(self) -> None:
        self._words: list[frozenset[str]] = []

    def add(self, question: str) -> bool:
        """Keep a question if no kept one is like it; returns whether it was kept."""
        words = frozenset(runs(question_form(question)))
        if any(len(words & other) >= _ALIKE * len(words | other) for other in self._words):
            return False
        self._words.append(words)
        return True
