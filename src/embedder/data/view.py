"""A part of a corpus that still answers by id, for quick validation."""

import random
from collections.abc import Iterator, Sequence

from embedder.types import Key, KeyStore, Query


class CorpusView:
    """Some keys of a corpus, as a corpus.

    Args:
        corpus: The whole.
        positions: The keys taken, in the order of the view.
    """

    def __init__(self, corpus: KeyStore, positions: Sequence[int]) -> None:
        self._corpus = corpus
        self._positions = list(positions)
        self._places = {position: place for place, position in enumerate(self._positions)}

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, position: int) -> Key:
        return self._corpus[self._positions[position]]

    def position(self, key_id: str) -> int:
        """Place of a key in the view; KeyError if it is not in it."""
        return self._places[self._corpus.position(key_id)]

    def texts(self) -> Iterator[str]:
        """All texts in order."""
        return (self[place].text for place in range(len(self)))


def with_gold_keys(corpus: KeyStore, queries: Sequence[Query], max_keys: int | None, seed: int) -> KeyStore:
    """The gold keys of the queries and random others, together `max_keys` (more if there are more gold keys).

    A smaller corpus makes retrieval easier: scores on a view compare with scores on the same view only.
    """
    if max_keys is None or len(corpus) <= max_keys:
        return corpus
    chosen = {corpus.position(key_id) for query in queries for key_id in query.positives}
    generator = random.Random(seed)  # noqa: S311  # not for cryptography
    while len(chosen) < max_keys:
        chosen.add(generator.randrange(len(corpus)))
    return CorpusView(corpus, sorted(chosen))
