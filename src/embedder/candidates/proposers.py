"""The sources of candidates: retrievers that also score the gold keys of a query."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from embedder.retrieval.retrievers import BM25Retriever, DenseRetriever
from embedder.types import FloatArray, IntArray, KeyStore, Query


@dataclass(frozen=True, slots=True)
class Hits:
    """The ranking of one source for one query.

    Args:
        positions: Of eligible keys in the corpus, best first.
        scores: Theirs, on the scale of the source.
        gold_scores: Scores of the query's gold keys, in their order, whether they are in the ranking or not.
    """

    positions: tuple[int, ...]
    scores: tuple[float, ...]
    gold_scores: tuple[float, ...]

    def first(self, n: int) -> "Hits":
        """The ranking cut to its first `n` keys."""
        return Hits(self.positions[:n], self.scores[:n], self.gold_scores)


class Proposer(Protocol):
    """A source of candidates."""

    @property
    def name(self) -> str:
        """What records and reports call it."""
        ...

    def fit(self, corpus: KeyStore) -> None:
        """Index a corpus, in place of the last one."""
        ...

    def rank(self, queries: Sequence[Query], top_k: int) -> list[Hits]:
        """The best eligible keys of each query, at most `top_k`; what a query gets depends on no other query."""
        ...


class BM25Proposer(BM25Retriever):
    """Ranks by BM25; keys without a common word are not in the ranking."""

    name = "bm25"

    def rank(self, queries: Sequence[Query], top_k: int) -> list[Hits]:
        """The best eligible keys of each query."""
        scores, positions = self.search(queries, top_k)  # [Q, K]
        return _hits(scores, positions, map(self._gold_scores, queries))

    def _gold_scores(self, query: Query) -> tuple[float, ...]:
        gold = [self._corpus.position(key_id) for key_id in query.positives]
        return tuple(self._index.scores(query.text, gold).tolist()) if gold else ()


class DenseProposer(DenseRetriever):
    """Ranks by the cosine of an encoder's vectors."""

    name = "dense"
    shows_progress = True

    def rank(self, queries: Sequence[Query], top_k: int) -> list[Hits]:
        """The best eligible keys of each query."""
        vectors = self.vectors(queries)  # [Q, D]
        scores, positions = self.search(queries, vectors, top_k)  # [Q, K]
        return _hits(scores, positions, map(self._gold_scores, queries, vectors))

    def _gold_scores(self, query: Query, vector: FloatArray) -> tuple[float, ...]:
        gold = np.array([self._corpus.position(key_id) for key_id in query.positives], np.int64)
        return tuple(float((row @ vector)[0]) for row in self._vectors.at(gold)[:, None])


def _hits(scores: FloatArray, positions: IntArray, gold_scores: Iterable[tuple[float, ...]]) -> list[Hits]:
    """The rankings that a search found, one for each query.

    Args:
        scores: Best first, [Q, K].
        positions: Of their keys, below 0 where the ranking has ended, [Q, K].
        gold_scores: Scores of each query's gold keys.
    """
    return [
        Hits(tuple(row[row >= 0].tolist()), tuple(row_scores[row >= 0].tolist()), gold)
        for row, row_scores, gold in zip(positions, scores, gold_scores, strict=True)
    ]
