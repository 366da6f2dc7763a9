"""Candidates whose vectors lie near that of the query."""

from collections.abc import Callable, Sequence

from embedder.candidates.proposer import Hits, hits_of
from embedder.data.eligible import eligible_keys
from embedder.index.eligible_search import search_eligible
from embedder.index.encode import index_corpus
from embedder.types import Encoder, FloatArray, KeyStore, Query, TaskSides, VectorIndex


class DenseProposer:
    """Ranks by the cosine of an encoder's vectors.

    Args:
        encoder: Maps texts to unit vectors.
        new_index: Makes an empty index.
        sides: Instructions and lengths of queries and keys.
    """

    name = "dense"

    def __init__(self, encoder: Encoder, new_index: Callable[[], VectorIndex], sides: TaskSides) -> None:
        self._encoder, self._new_index, self._sides = encoder, new_index, sides

    def fit(self, corpus: KeyStore) -> None:
        """Encode and index the corpus."""
        self._corpus = corpus
        self._index = self._new_index()
        index_corpus(self._encoder, corpus.texts(), self._index, self._sides.key, progress=True)

    def rank(self, queries: Sequence[Query], top_k: int) -> list[Hits]:
        """The best eligible keys of each query."""
        vectors = self._encoder.encode([query.text for query in queries], self._sides.query)  # [Q, D]
        eligible = [eligible_keys(query, self._corpus) for query in queries]
        scores, positions = search_eligible(self._index, vectors, eligible, top_k, len(self._corpus))  # [Q, K]
        return hits_of(scores, positions, map(self._gold_scores, queries, vectors))

    def _gold_scores(self, query: Query, vector: FloatArray) -> tuple[float, ...]:
        gold = [self._corpus.position(key_id) for key_id in query.positives]
        return tuple(float((self._index.vectors(p, p + 1) @ vector)[0]) for p in gold)
