"""A part of a corpus that still answers by id, for quick validation."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from embedder.data.eligible import eligible_keys
from embedder.types import Key, KeyStore, Query


class CorpusView:
    """A part of the keys of a corpus, as a corpus.

    Args:
        corpus: All keys.
        positions: Those of the part, in rising order.
    """

    def __init__(self, corpus: KeyStore, positions: Sequence[int]) -> None:
        self._corpus = corpus
        self._positions = list(positions)
        self._position_in_view = {position: own for own, position in enumerate(self._positions)}

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, position: int) -> Key:
        return self._corpus[self._positions[position]]

    def position(self, key_id: str) -> int:
        """Position of a key in the view; KeyError if it is not in it."""
        return self._position_in_view[self._corpus.position(key_id)]

    def span(self, first_id: str, last_id: str) -> tuple[int, int]:
        """Positions in the view of its keys between two keys of the corpus, which need not be in the view."""
        start, stop = self._corpus.span(first_id, last_id)
        return bisect_left(self._positions, start), bisect_left(self._positions, stop)

    def texts(self) -> Iterator[str]:
        """All texts in order."""
        return (self[position].text for position in range(len(self)))


def with_gold_keys(corpus: KeyStore, queries: Sequence[Query], max_keys: int | None, seed: int) -> KeyStore:
    """The gold keys of the queries and random others, together `max_keys` (more if there are more gold keys).

    The others are drawn from the keys that some query may be compared with, so that queries over a small part of the
    corpus each, such as one dialogue, still have something to choose from. A smaller corpus makes retrieval easier:
    scores on a view compare with scores on the same view only.
    """
    if max_keys is None or len(corpus) <= max_keys:
        return corpus
    runs = _merged(sorted((e.start, e.stop) for e in (eligible_keys(query, corpus) for query in queries)))
    ends = list(accumulate(stop - start for start, stop in runs))
    chosen = {corpus.position(key_id) for query in queries for key_id in query.positives}
    generator = random.Random(seed)  # noqa: S311  # not for cryptography
    while len(chosen) < min(max_keys, ends[-1]):
        drawn = generator.randrange(ends[-1])
        run = bisect_right(ends, drawn)
        chosen.add(runs[run][1] - (ends[run] - drawn))
    return CorpusView(corpus, sorted(chosen))


def _merged(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted runs of positions without overlaps."""
    merged: list[tuple[int, int]] = []
    for start, stop in runs:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
