import json
import math
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.metrics.ranking import ranking_metrics


def means(rankings, qrels, cutoffs):
    return {name: fmean(scores.values()) for name, scores in ranking_metrics(rankings, qrels, cutoffs).items()}


KNOWN = json.loads((Path(__file__).parents[1] / "assets" / "metrics.json").read_text(encoding="utf-8"))


def test_one_query_by_hand():
    # Positives x, y, z; x at rank 2, y at rank 4, z not found.
    metrics = means({"q": ["a", "x", "b", "y"]}, {"q": ["x", "y", "z"]}, [1, 2, 3, 10])
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert metrics == pytest.approx(
        {
            "ndcg@1": 0.0,
            "ndcg@2": (1 / math.log2(3)) / (1 + 1 / math.log2(3)),  # only two positives fit
            "ndcg@3": (1 / math.log2(3)) / ideal,
            "ndcg@10": (1 / math.log2(3) + 1 / math.log2(5)) / ideal,
            "recall@1": 0.0,
            "recall@2": 1 / 3,
            "recall@3": 1 / 3,
            "recall@10": 2 / 3,
            "mrr@1": 0.0,
            "mrr@2": 1 / 2,
            "mrr@3": 1 / 2,
            "mrr@10": 1 / 2,
        }
    )


def test_a_query_that_was_not_ranked_counts_as_zero():
    qrels = {"found": {"x"}, "missing": {"x"}, "empty": {"x"}}
    metrics = ranking_metrics({"empty": [], "found": ["x"]}, qrels, cutoffs=[10])
    for name in ("ndcg@10", "recall@10", "mrr@10"):
        assert metrics[name] == {"found": 1.0, "missing": 0.0, "empty": 0.0}
        assert list(metrics[name]) == list(qrels)


@pytest.mark.parametrize("order", [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]])
def test_our_order_counts_not_the_ids(order):
    metrics = means({"q": order}, {"q": ["b"]}, [10])
    assert metrics["mrr@10"] == pytest.approx(1 / (1 + order.index("b")))


def test_reciprocal_rank_is_cut():
    ranking = [f"key{rank}" for rank in range(1, 201)]
    for rank in (10, 11, 93, 100, 101, 200):
        mean = means({"q": ranking}, {"q": [f"key{rank}"]}, [10, 100])
        assert mean["mrr@10"] == pytest.approx(1 / rank if rank <= 10 else 0.0)
        assert mean["mrr@100"] == pytest.approx(1 / rank if rank <= 100 else 0.0)


@pytest.mark.parametrize("case", KNOWN["ir"])
def test_known_answers_of_the_released_code(case):
    rankings = {str(i): [str(key) for key in ranking if key != -1] for i, ranking in enumerate(case["predictions"])}
    qrels = {str(i): [str(key) for key in labels] for i, labels in enumerate(case["labels"])}
    assert means(rankings, qrels, [1, 3, 5, 10, 100]) == pytest.approx(case["expected"])


KEYS = [f"key{i}" for i in range(12)]


@given(
    ranking=st.lists(st.sampled_from(KEYS), unique=True),
    positives=st.sets(st.sampled_from(KEYS), min_size=1),
    k=st.integers(1, 15),
)
def test_agrees_with_the_formulas(ranking, positives, k):
    ranks = [rank for rank, key in enumerate(ranking[:k], 1) if key in positives]
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(k, len(positives)) + 1))
    assert means({"q": ranking}, {"q": positives}, [k]) == pytest.approx(
        {
            f"ndcg@{k}": sum(1 / math.log2(1 + rank) for rank in ranks) / ideal,
            f"recall@{k}": len(ranks) / len(positives),
            f"mrr@{k}": 1 / ranks[0] if ranks else 0.0,
        }
    )


def test_a_key_that_is_ranked_twice_is_refused():
    with pytest.raises(ValueError, match="1 queries rank a key twice, the first is 'q'"):
        ranking_metrics({"q": ["a", "b", "a"]}, {"q": ["a"]}, [10])
