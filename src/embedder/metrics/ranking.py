"""Score rankings against relevance labels: nDCG, recall and reciprocal rank at any cut-offs, query by query."""

from collections.abc import Collection, Mapping, Sequence


def ranking_metrics(
    rankings: Mapping[str, Sequence[str]],
    qrels: Mapping[str, Collection[str]],
    cutoffs: Sequence[int],
) -> dict[str, dict[str, float]]:
    """Score every query of the qrels; labels are binary, and a query that was not ranked scores 0.

        ndcg@k   = sum_{i <= k, key i positive} 1 / log2(1 + i)  /  the same sum with all positives ranked first
        recall@k = positives among the first k / all positives
        mrr@k    = 1 / rank of the first positive, 0 where that is above k

    >>> metrics = ranking_metrics({"q1": ["b", "a"], "q2": ["c"]}, {"q1": ["a"], "q2": ["a", "c"]}, cutoffs=[1, 2])
    >>> metrics["recall@1"], metrics["mrr@2"]
    ({'q1': 0.0, 'q2': 0.5}, {'q1': 0.5, 'q2': 1.0})

    Source: `trec_eval`, by way of ir-measures and pytrec_eval.

    Args:
        rankings: Query id -> key ids, best first; their order counts, there are no scores.
        qrels: Query id -> ids of its positives, of each query at least one.
        cutoffs: The values of k, each at least 1.

    Returns:
        Metric (`ndcg@10`, `recall@100`, `mrr@10`) -> query id -> score in [0, 1], the queries in the order of the
        qrels, so that two runs can be compared in pairs.

    Raises:
        ValueError: A ranking holds a key twice.
    """
    import ir_measures

    if repeated := [query for query, ranking in rankings.items() if len(set(ranking)) < len(ranking)]:
        raise ValueError(f"rankings: {len(repeated)} queries rank a key twice, the first is {repeated[0]!r}")
    library = {f"ndcg@{k}": ir_measures.nDCG @ k for k in cutoffs} | {f"recall@{k}": ir_measures.R @ k for k in cutoffs}
    # trec_eval sorts by score and breaks ties by id: falling whole numbers keep our order (exact in its float32
    # up to 16 million ranks).
    run = {query: {key: -rank for rank, key in enumerate(ranking)} for query, ranking in rankings.items() if ranking}
    labels = {query: dict.fromkeys(positives, 1) for query, positives in qrels.items()}
    values = {
        (result.measure, result.query_id): float(result.value)
        for result in ir_measures.pytrec_eval.iter_calc([*library.values(), ir_measures.RR], labels, run)
    }  # a query that was not ranked is in it, with 0

    per_query = {name: {query: values[measure, query] for query in qrels} for name, measure in library.items()}
    for k in cutoffs:
        reciprocal = {query: values[ir_measures.RR, query] for query in qrels}
        per_query[f"mrr@{k}"] = {query: _cut(value, k) for query, value in reciprocal.items()}
    return per_query


def _cut(reciprocal_rank: float, cutoff: int) -> float:
    # trec_eval looks for the first positive in the whole ranking: its reciprocal rank has no cut-off.
    return reciprocal_rank if reciprocal_rank and round(1 / reciprocal_rank) <= cutoff else 0.0
