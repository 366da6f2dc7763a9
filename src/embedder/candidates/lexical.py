"""Candidates that share rare words with the query (BM25)."""

from collections.abc import Sequence

from embedder.candidates.proposer import Hits, hits_of
from embedder.data.eligible import eligible_keys
from embedder.index.bm25_index import BM25Index
from embedder.index.bm25_settings import BM25Settings
from embedder.types import KeyStore, Query


class BM25Proposer:
    """Ranks by BM25; keys without a common word are not in the ranking.

    Args:
        settings: What a word is, and the formula's constants.
    """

    name = "bm25"

    def __init__(self, settings: BM25Settings = BM25Settings()) -> None:  # noqa: B008  # frozen
        self._settings = settings

    def fit(self, corpus: KeyStore) -> None:
        """Index the words of the corpus."""
        self._corpus = corpus
        self._index = BM25Index(self._settings)
        self._index.build(corpus.texts())

    def rank(self, queries: Sequence[Query], top_k: int) -> list[Hits]:
        """The best eligible keys of each query."""
        eligible = [eligible_keys(query, self._corpus) for query in queries]
        scores, positions = self._index.search([query.text for query in queries], top_k, eligible)  # [Q, K]
        return hits_of(scores, positions, map(self._gold_scores, queries))

    def _gold_scores(self, query: Query) -> tuple[float, ...]:
        gold = [self._corpus.position(key_id) for key_id in query.positives]
        return tuple(self._index.scores(query.text, gold).tolist()) if gold else ()
