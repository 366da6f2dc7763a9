"""Questions that ask nearly the same: a set of those that are kept, which says whether a further one is new."""

from collections import Counter, defaultdict

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
        self._with_word: dict[str, list[int]] = defaultdict(list)

    def add(self, question: str) -> bool:
        """Keep a question if no kept one is like it; returns whether it was kept."""
        words = frozenset(runs(question_form(question)))
        if self._has_like(words):
            return False
        for word in words:
            self._with_word[word].append(len(self._words))
        self._words.append(words)
        return True

    def _has_like(self, words: frozenset[str]) -> bool:
        common: Counter[int] = Counter()
        # Two that share 80 % of their words share one of the rarest 20 % of these: the frequent ones need no look.
        rare = sorted(words, key=lambda word: (len(self._with_word.get(word, ())), word))
        for word in rare[: len(words) - int(_ALIKE * len(words)) + 1]:
            common.update(self._with_word.get(word, ()))
        return any(len(words & self._words[k]) >= _ALIKE * len(words | self._words[k]) for k in common)
