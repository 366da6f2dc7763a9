"""Score a retriever on queries: by their gold keys, and by whether what it finds holds an answer."""

from collections.abc import Sequence
from functools import lru_cache

from embedder.metrics.answer_recall import answer_recall
from embedder.metrics.ranking import ranking_metrics
from embedder.types import KeyStore, Query, Ranking

_DEEPEST = 20  # an answer further down helps no LLM, and looking for it takes long
_HELD = 20_000  # texts in memory, of keys that several queries find


def retrieval_scores(
    queries: Sequence[Query], rankings: Sequence[Ranking], cutoffs: Sequence[int]
) -> dict[str, dict[str, float]]:
    """nDCG, recall and reciprocal rank over the queries that have gold keys; empty if none has.

    Args:
        queries: The queries.
        rankings: One for each, in the same order.
        cutoffs: Ranks at which metrics are cut.

    Returns:
        Metric -> query id -> value.
    """
    labelled = [(query, ranking) for query, ranking in zip(queries, rankings, strict=True) if query.positives]
    if not labelled:
        return {}
    return ranking_metrics(
        {query.id: ranking.key_ids for query, ranking in labelled},
        {query.id: query.positives for query, _ in labelled},
        cutoffs,
    )


def answer_recalls(
    queries: Sequence[Query], rankings: Sequence[Ranking], corpus: KeyStore, cutoffs: Sequence[int]
) -> dict[str, dict[str, float]]:
    """`answer_recall@k` over the queries that have answers, at the cut-offs up to 20.

    Args:
        queries: The queries.
        rankings: One for each, in the same order.
        corpus: Where the keys are.
        cutoffs: Ranks at which rankings are cut.

    Returns:
        Metric -> query id -> value.
    """
    shallow = [cutoff for cutoff in cutoffs if cutoff <= _DEEPEST]
    per_query: dict[str, dict[str, float]] = {}
    text_of = lru_cache(_HELD)(lambda key_id: corpus[corpus.position(key_id)].text)
    for query, ranking in zip(queries, rankings, strict=True):
        answers = [answer for answer in query.answers if answer.strip()]
        if not answers or not shallow:
            continue
        texts = [text_of(key_id) for key_id in ranking.key_ids[: max(shallow)]]
        for k, found in answer_recall(texts, answers, shallow).items():
            per_query.setdefault(f"answer_recall@{k}", {})[query.id] = found
    return per_query
