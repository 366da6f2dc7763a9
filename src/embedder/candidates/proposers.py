"""The sources of candidates: retrievers that also score the gold keys of a query."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
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
        score_of: The score of a key by its position, in the ranking or not, as exact as those of the gold keys.
    """

    positions: tuple[int, ...]
    scores: tuple[float, ...]
    gold_scores: tuple[float, ...]
    score_of: Callable[[int], float] = field(compare=False, repr=False)

    def first(self, n: int) -> "Hits":
        """The ranking cut to its first `n` keys."""
        return replace(self, positions=self.positions[:n], scores=self.scores[:n])


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
        scorers = [partial(self._scores, query) for query in queries]
        return _hits(queries, scores, positions, self._corpus, scorers, exact=True)

    def _scores(self, query: Query, positions: Sequence[int]) -> list[float]:
        scores: list[float] = self._index.scores(query.text, positions).tolist()
        return scores


class DenseProposer(DenseRetriever):
    """Ranks by the cosine of an encoder's vectors."""

    name = "dense"
    shows_progress = True

    def rank(self, queries: Sequence[Query], top_k: int) -> list[Hits]:
        """The best eligible keys of each query."""
        vectors = self.vectors(queries)  # [Q, D]
        scores, positions = self.search(queries, vectors, top_k)  # [Q, K]
        scorers = [partial(self._scores, vector) for vector in vectors]
        return _hits(queries, scores, positions, self._corpus, scorers, exact=False)

    def _scores(self, vector: FloatArray, positions: Sequence[int]) -> list[float]:
        """By the vectors themselves: an index may keep them in fewer bits, or none of them."""
        return [float((row @ vector)[0]) for row in self._vectors.at(np.array(positions, np.int64))[:, None]]


def _hits(
    queries: Sequence[Query],
    scores: FloatArray,
    positions: IntArray,
    corpus: KeyStore,
    scorers: Sequence[Callable[[Sequence[int]], list[float]]],
    *,
    exact: bool,
) -> list[Hits]:
    """The rankings that a search found, one for each query.

    Args:
        queries: The queries.
        scores: Best first, [Q, K].
        positions: Of their keys, below 0 where the ranking has ended, [Q, K].
        corpus: Where the keys are.
        scorers: Of each query: the scores of keys by their positions.
        exact: Whether `scores` are those that the scorers give.
    """
    found = []
    for query, row, row_scores, scores_of in zip(queries, positions, scores, scorers, strict=True):
        gold = [corpus.position(key_id) for key_id in query.positives]
        ranked, its_scores = tuple(row[row >= 0].tolist()), tuple(row_scores[row >= 0].tolist())
        gold_scores = tuple(scores_of(gold)) if gold else ()
        known = dict(zip(ranked, its_scores, strict=True)) if exact else {}
        found.append(Hits(ranked, its_scores, gold_scores, partial(_score_of, known, scores_of)))
    return found


def _score_of(known: Mapping[int, float], scores_of: Callable[[Sequence[int]], list[float]], position: int) -> float:
    score = known.get(position)
    return scores_of([position])[0] if score is None else score
