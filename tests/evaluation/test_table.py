"""The table marks what differs from the base encoder beyond chance, and shows how sure each mean is."""

import numpy as np

from embedder.evaluation.measures import shown_metrics
from embedder.evaluation.resampling import Sampling
from embedder.evaluation.table import Row, columns_of, render, significance
from tests.evaluation.folders import row

SAMPLING = Sampling(resamples=1000)


def made(n=60):
    generator = np.random.default_rng(0)
    base = generator.random(n) * 0.5
    return [
        Row(**row("no retrieval", {"em": [0.0] * n, "perplexity": [3.0] * n})),
        Row(**row("BM25", {"ndcg@10": list(base - 0.1), "em": [1.0, 0.0] * (n // 2), "perplexity": [2.5] * n})),
        Row(**row("base encoder", {"ndcg@10": list(base), "em": [1.0, 0.0] * (n // 2), "perplexity": [2.0] * n})),
        Row(**row("trained encoder", {"ndcg@10": list(base + 0.2), "em": [1.0] * n, "perplexity": [1.5] * n})),
    ]


def test_rows_are_marked_against_the_base_encoder():
    marks = significance(columns_of(made(), ["ndcg@10", "em", "perplexity"], SAMPLING), "base encoder")
    assert marks == {
        ("no retrieval", "em"): "▼",
        ("no retrieval", "perplexity"): "▼",
        ("BM25", "ndcg@10"): "▼",
        ("BM25", "em"): "",
        ("BM25", "perplexity"): "▼",
        ("trained encoder", "ndcg@10"): "▲",
        ("trained encoder", "em"): "▲",
        ("trained encoder", "perplexity"): "▲",  # lower
    }


def test_the_whole_table():
    rows = [
        Row(**row("base encoder", {"em": [1.0] * 30 + [0.0] * 30})),
        Row(**row("trained encoder", {"em": [1.0] * 45 + [0.0] * 15})),
    ]
    table = render(rows, sampling=SAMPLING)
    assert table.splitlines()[:4] == [
        "| qa/world        |      em |",
        "| --------------- | ------: |",
        "| base encoder    | 0.500   |",
        "| trained encoder | 0.750 ▲ |",
    ]
    assert table.splitlines()[5] == "| 95 % intervals  |             em |"
    assert "60 queries; ▲ better, ▼ worse than base encoder: paired test, p < 0.05 after Holm's" in table
    low, high = (float(end) for end in table.splitlines()[7].split("|")[2].split(" to "))
    assert 0.35 < low < 0.4
    assert 0.6 < high < 0.65


def test_one_lucky_metric_among_many_is_not_marked():
    # Six of six changed for the better: p = 2 / 64 = 0.03 alone, 0.09 among three rows.
    base, better = [0.0] * 60, [1.0] * 6 + [0.0] * 54
    alone = [Row(**row("base encoder", {"em": base})), Row(**row("BM25", {"em": better}))]
    more = [Row(**row(name, {"em": base})) for name in ("random", "no retrieval")]
    assert significance(columns_of(alone, ["em"], SAMPLING), "base encoder")["BM25", "em"] == "▲"
    assert significance(columns_of(alone + more, ["em"], SAMPLING), "base encoder")["BM25", "em"] == ""


def test_without_base_encoder_nothing_is_marked():
    table = render([made()[1]], sampling=SAMPLING)
    assert "▲" not in table
    assert "▼" not in table
    assert "95 % intervals" in table


def test_rows_of_means_alone_have_no_interval():
    mean = Row("qa", "mean of 3", "base encoder", {"em": 0.5}, {}, {})
    assert render([mean]) == "| qa/mean of 3 |    em |\n| ------------ | ----: |\n| base encoder | 0.500 |"


def test_what_is_0_by_definition_has_no_interval_and_no_mark():
    values = {"gain": [0.0, 0.0, 0.0], "harm": [0.0, 0.0, 0.0]}
    rows = [
        Row(**row("no retrieval", values)),
        Row(**row("base encoder", {"gain": [0.1, 0.2, 0.4], "harm": [1.0] * 3})),
    ]
    columns = columns_of(rows, ["gain", "harm"], SAMPLING)
    assert list(columns) == [("base encoder", "gain"), ("base encoder", "harm")]
    assert significance(columns, "base encoder") == {}
    assert "| no retrieval   |              - |              - |" in render(rows, sampling=SAMPLING)


def test_means_alone_where_nothing_is_drawn():
    only = Row(**row("base encoder", {"em": [0.0, 1.0]}))
    assert (
        render([only], sampling=None) == "| qa/world     |    em |\n| ------------ | ----: |\n| base encoder | 0.500 |"
    )


def test_the_largest_cutoff_is_shown_where_5_and_10_are_not():
    only = Row(**row("BM25", {f"{name}@{k}": [0.5, 1.0] for name in ("ndcg", "recall", "mrr") for k in (1, 3)}))
    assert render([only], [1, 3], sampling=SAMPLING).splitlines()[0] == "| qa/world | ndcg@3 | recall@3 | mrr@3 |"


def test_one_answer_recall_is_shown():
    names = [f"answer_recall@{k}" for k in (100, 10, 5)]
    assert shown_metrics([*names, "em"], [5, 10, 100]) == ["answer_recall@10", "em"]
