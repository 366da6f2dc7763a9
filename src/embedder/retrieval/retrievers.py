"""One interface for encoders, baselines and retrievers of your own, so that every table can have its baselines."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

from embedder.data.eligible import eligible_keys
from embedder.data.queries import random_of
from embedder.index.bm25_index import BM25Index
from embedder.index.bm25_settings import BM25Settings
from embedder.index.eligible_search import search_eligible
from embedder.index.fill import fill_index
from embedder.types import (
    CorpusEncoder,
    FloatArray,
    IntArray,
    KeyStore,
    Query,
    Ranking,
    TaskSides,
    VectorIndex,
    Vectors,
)


class Retriever(Protocol):
    """Ranks the keys of a corpus for queries; a ranking holds only keys that its query may be compared with."""

    def fit(self, corpus: KeyStore) -> None:
        """Index a corpus, in place of the last one."""

    def retrieve(self, queries: Sequence[Query], top_k: int) -> list[Ranking]:
        """The best keys of each query, at most `top_k`, best first."""


class NoRetriever:
    """Retrieves no keys: for the row of the LLM without retrieval."""

    def fit(self, corpus: KeyStore) -> None:
        """Nothing to index."""

    def retrieve(self, queries: Sequence[Query], top_k: int) -> list[Ranking]:
        """An empty ranking for each query."""
        return [Ranking((), ()) for _ in queries]


class RandomRetriever:
    """Retrieves random keys: it shows the effect of passages that do not help.

    Args:
        seed: With the query's id, the only source of chance.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, corpus: KeyStore) -> None:
        """Keep the corpus."""
        self._corpus = corpus

    def retrieve(self, queries: Sequence[Query], top_k: int) -> list[Ranking]:
        """Distinct random keys, the same for a query in every run."""
        rankings = []
        for query in queries:
            eligible = eligible_keys(query, self._corpus)
            run = range(eligible.start, eligible.stop)
            drawn = random_of(query, self._seed).sample(run, min(top_k + len(eligible.without), len(run)))
            positions = [position for position in drawn if position in eligible][:top_k]
            rankings.append(Ranking(tuple(self._corpus[p].id for p in positions), (0.0,) * len(positions)))
        return rankings


class BM25Retriever:
    """Ranks by BM25.

    Args:
        settings: What a word is, and the formula's constants.
    """

    def __init__(self, settings: BM25Settings = BM25Settings()) -> None:  # noqa: B008  # frozen
        self._settings = settings

    def fit(self, corpus: KeyStore) -> None:
        """Index the words of the corpus."""
        self._corpus = corpus
        self._index = BM25Index(self._settings)
        self._index.build(corpus.texts())

    def retrieve(self, queries: Sequence[Query], top_k: int) -> list[Ranking]:
        """The keys that share words with the query."""
        scores, positions = self.search(queries, top_k)
        return to_rankings(scores.tolist(), positions.tolist(), self._corpus)

    def search(self, queries: Sequence[Query], top_k: int) -> tuple[FloatArray, IntArray]:
        """Scores and positions of the best eligible keys, both [Q, K]; -1 for the position of a missing one."""
        eligible = [eligible_keys(query, self._corpus) for query in queries]
        return self._index.search([query.text for query in queries], top_k, eligible)


class RecentRetriever:
    """Ranks the keys of a query's own run by how late they come: what was said last in a dialogue."""

    def fit(self, corpus: KeyStore) -> None:
        """Keep the corpus."""
        self._corpus = corpus

    def retrieve(self, queries: Sequence[Query], top_k: int) -> list[Ranking]:
        """The last eligible keys, the last one first."""
        rankings = []
        for query in queries:
            eligible = eligible_keys(query, self._corpus)
            latest = (p for p in range(eligible.stop - 1, eligible.start - 1, -1) if p in eligible)
            positions = list(islice(latest, top_k))
            rankings.append(to_rankings([[float(p) for p in positions]], [positions], self._corpus)[0])
        return rankings


class DenseRetriever:
    """Ranks by the cosine of an encoder's vectors.

    Args:
        encoder: Maps texts to unit vectors, and knows those of corpora.
        new_index: Makes an empty index.
        sides: Instructions and lengths of queries and keys.
    """

    shows_progress = False

    def __init__(self, encoder: CorpusEncoder, new_index: Callable[[], VectorIndex], sides: TaskSides) -> None:
        self._encoder, self._new_index, self._sides = encoder, new_index, sides

    def fit(self, corpus: KeyStore) -> None:
        """Index the corpus, encoding what of it was not encoded before."""
        self.index(corpus, self._encoder.vectors(corpus, self._sides.key, progress=self.shows_progress))

    def index(self, corpus: KeyStore, vectors: Vectors) -> None:
        """Index the corpus by its vectors."""
        self._corpus, self._vectors, self._index = corpus, vectors, self._new_index()
        fill_index(self._index, self._vectors, progress=self.shows_progress)

    def retrieve(self, queries: Sequence[Query], top_k: int) -> list[Ranking]:
        """The keys with the largest cosine."""
        scores, positions = self.search(queries, self.vectors(queries), top_k)
        return to_rankings(scores.tolist(), positions.tolist(), self._corpus)

    def vectors(self, queries: Sequence[Query]) -> FloatArray:
        """Unit vectors of the queries, [Q, D]."""
        return self._encoder.encode([query.text for query in queries], self._sides.query)

    def search(self, queries: Sequence[Query], vectors: FloatArray, top_k: int) -> tuple[FloatArray, IntArray]:
        """Scores and positions of the best eligible keys, both [Q, K]; -1 for the position of a missing one."""
        eligible = [eligible_keys(query, self._corpus) for query in queries]
        return search_eligible(self._index, vectors, eligible, top_k, len(self._corpus))


def to_rankings(scores: list[list[float]], positions: list[list[int]], corpus: KeyStore) -> list[Ranking]:
    """Rankings by id from positions in a corpus; position -1 marks a missing hit."""
    # A line of the corpus is read once, however many queries find it: reading took half of an evaluation.
    ids = {position: corpus[position].id for position in sorted({p for row in positions for p in row if p >= 0})}
    rankings = []
    for row_scores, row in zip(scores, positions, strict=True):
        hits = [(ids[position], score) for position, score in zip(row, row_scores, strict=True) if position >= 0]
        rankings.append(Ranking(tuple(key_id for key_id, _ in hits), tuple(score for _, score in hits)))
    return rankings
