"""Retrievers that use other retrievers: gold keys first, several blended, one that several rows share."""

from collections.abc import Sequence

from embedder.index.fusion import HYBRID_DEPTH, blended
from embedder.retrieval.retrievers import Retriever
from embedder.types import KeyStore, Query, Ranking


class OracleRetriever:
    """Ranks the gold keys first, then those of another retriever: the upper bound of retrieval.

    Args:
        rest: What finds the other keys.
    """

    def __init__(self, rest: Retriever) -> None:
        self._rest = rest

    def fit(self, corpus: KeyStore) -> None:
        """Index the corpus for the other keys."""
        self._rest.fit(corpus)

    def retrieve(self, queries: Sequence[Query], top_k: int) -> list[Ranking]:
        """Gold keys with the score 1, others with 0."""
        rankings = []
        for query, rest in zip(queries, self._rest.retrieve(queries, top_k), strict=True):
            gold = dict.fromkeys(query.positives)
            key_ids = [*gold, *(key_id for key_id in rest.key_ids if key_id not in gold)][:top_k]
            rankings.append(Ranking(tuple(key_ids), tuple(float(key_id in gold) for key_id in key_ids)))
        return rankings


class HybridRetriever:
    """Ranks by the blended scores of other retrievers: `blended`.

    Args:
        parts: What is blended; ties go to the earlier one.
        shares: Of the scores of each; their sum is 1.
        depth: Keys taken of each, or `top_k` if that is more.
    """

    def __init__(self, parts: Sequence[Retriever], shares: Sequence[float], depth: int = HYBRID_DEPTH) -> None:
        self._parts, self._shares, self._depth = tuple(parts), tuple(shares), depth

    def fit(self, corpus: KeyStore) -> None:
        """Index the corpus for each part."""
        for part in self._parts:
            part.fit(corpus)

    def retrieve(self, queries: Sequence[Query], top_k: int) -> list[Ranking]:
        """The keys that the parts together score highest."""
        rankings = []
        for found in zip(*(part.retrieve(queries, max(top_k, self._depth)) for part in self._parts), strict=True):
            pairs = [dict(zip(ranking.key_ids, ranking.scores, strict=True)) for ranking in found]
            best = list(blended(pairs, self._shares).items())[:top_k]
            rankings.append(Ranking(tuple(key_id for key_id, _ in best), tuple(score for _, score in best)))
        return rankings


class MemoisedRetriever:
    """A retriever that several rows use: fitted once a corpus, and run once on the queries of a data set.

    Those are the queries of the first call. What it finds for others is not kept: they are texts that the LLM
    wrote in one row, and there may be many rounds of them.

    Args:
        retriever: What ranks; it must not change between two calls with one corpus, as an encoder in training does.
        depth: Keys that are retrieved at least, so that a row that needs more of them does not search again.
    """

    def __init__(self, retriever: Retriever, depth: int = 1) -> None:
        self._retriever, self._depth = retriever, depth
        self._corpus: KeyStore | None = None
        self._queries: tuple[Query, ...] | None = None
        self._found: list[Ranking] = []
        self._found_depth = 0

    def fit(self, corpus: KeyStore) -> None:
        """Index the corpus if it is another object than the last one."""
        if corpus is not self._corpus:
            self._retriever.fit(corpus)
            self._corpus, self._queries, self._found_depth = corpus, None, 0

    def retrieve(self, queries: Sequence[Query], top_k: int) -> list[Ranking]:
        """The keys that the retriever ranks, from memory if it has ranked so many before."""
        asked = tuple(queries)
        if self._queries is None:
            self._queries = asked
        if asked != self._queries:
            return self._retriever.retrieve(queries, top_k)
        if top_k > self._found_depth:
            self._found_depth = max(top_k, self._depth)
            self._found = self._retriever.retrieve(queries, self._found_depth)
        return [Ranking(found.key_ids[:top_k], found.scores[:top_k]) for found in self._found]
