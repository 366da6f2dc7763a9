"""Score a retriever on labelled queries."""

from collections.abc import Sequence

from embedder.metrics.ranking import RankingMetrics, ranking_metrics
from embedder.types import Query, Ranking


def retrieval_scores(
    queries: Sequence[Query], rankings: Sequence[Ranking], cutoffs: Sequence[int]
) -> RankingMetrics | None:
    """Metrics over the queries that have gold keys, or None if none has.

    Args:
        queries: The queries.
        rankings: One for each, in the same order.
        cutoffs: Places at which metrics are cut.
    """
    labelled = [(query, ranking) for query, ranking in zip(queries, rankings, strict=True) if query.positives]
    if not labelled:
        return None
    return ranking_metrics(
        {query.id: ranking.key_ids for query, ranking in labelled},
        {query.id: query.positives for query, _ in labelled},
        cutoffs,
    )
