"""Texts that no further one may nearly repeat."""

from collections.abc import Iterable

from embedder.data.shingles import jaccard, shingles


class Distinct:
    """Compares texts by `jaccard` of their shingles, exactly: for the few texts of one query.

    Args:
        limit: From which similarity two texts count as one; None compares nothing.
        texts: The first ones.
    """

    def __init__(self, limit: float | None, texts: Iterable[str]) -> None:
        self._limit = limit
        self._shingles: list[frozenset[str]] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Keep one more."""
        if self._limit is not None:
            self._shingles.append(shingles(text))

    def first_like(self, text: str) -> int | None:
        """Which one, in the order in which they came, the text is a near duplicate of; None if there is none."""
        if self._limit is None:
            return None
        own, limit = shingles(text), self._limit
        return next((index for index, other in enumerate(self._shingles) if _reach(limit, own, other)), None)


def _reach(limit: float, one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two texts are as similar as the limit; those of unlike size, which are most, are not compared."""
    smaller, larger = sorted((len(one), len(other)))
    return smaller >= limit * larger and jaccard(one, other) >= limit
