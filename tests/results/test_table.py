"""The table marks what differs from the base encoder beyond chance, and shows how sure each mean is."""

import math
from dataclasses import replace

import numpy as np
import pytest

from embedder.results.measures import shown_metrics
from embedder.results.resampling import Sampling
from embedder.results.row import split
from embedder.results.scores import Scores
from embedder.results.table import marks as marks_of
from embedder.results.table import render
from tests.results.folders import made_row

SAMPLING = Sampling(resamples=1000)


def made(n=60):
    generator = np.random.default_rng(0)
    base = generator.random(n) * 0.5
    return [
        made_row("no retrieval", {"em": [0.0] * n, "perplexity": [3.0] * n}),
        made_row("BM25", {"ndcg@10": list(base - 0.1), "em": [1.0, 0.0] * (n // 2), "perplexity": [2.5] * n}),
        made_row("base encoder", {"ndcg@10": list(base), "em": [1.0, 0.0] * (n // 2), "perplexity": [2.0] * n}),
        made_row("trained encoder", {"ndcg@10": list(base + 0.2), "em": [1.0] * n, "perplexity": [1.5] * n}),
    ]


def marks(rows):
    """Every row against the base encoder, by all of its metrics."""
    scores = Scores(rows, SAMPLING)
    pairs = {
        (row.retriever, metric): scores.pairs(metric, row.retriever, "base encoder", scores.datasets())
        for row in rows
        if row.retriever != "base encoder"
        for metric in row.per_query
    }
    return marks_of("base encoder", {name: pair for name, pair in pairs.items() if pair is not None})


def test_rows_are_marked_against_the_base_encoder():
    assert marks(made()) == {
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
        made_row("base encoder", {"em": [1.0] * 30 + [0.0] * 30}),
        made_row("trained encoder", {"em": [1.0] * 45 + [0.0] * 15}),
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
    alone = [made_row("base encoder", {"em": base}), made_row("BM25", {"em": better})]
    more = [made_row(name, {"em": base}) for name in ("random", "no retrieval")]
    assert marks(alone)["BM25", "em"] == "▲"
    assert marks(alone + more)["BM25", "em"] == ""


def test_without_base_encoder_nothing_is_marked():
    table = render([made()[1]], sampling=SAMPLING)
    assert "▲" not in table
    assert "▼" not in table
    assert "95 % intervals" in table


def test_what_is_0_by_definition_has_no_interval_and_no_mark():
    values = {"gain": [0.0, 0.0, 0.0], "harm": [0.0, 0.0, 0.0]}
    rows = [
        made_row("no retrieval", values),
        made_row("base encoder", {"gain": [0.1, 0.2, 0.4], "harm": [1.0] * 3}),
    ]
    scores = Scores(rows, SAMPLING)
    means = {(who, m): scores.mean(m, who, [("qa", "world")]) for who in scores.retrievers for m in ("gain", "harm")}
    assert [name for name, mean in means.items() if mean.low is None] == [
        ("no retrieval", "gain"),
        ("no retrieval", "harm"),
    ]
    assert marks(rows) == {}
    assert "| no retrieval   |              - |              - |" in render(rows, sampling=SAMPLING)


def test_means_alone_where_nothing_is_drawn():
    only = made_row("base encoder", {"em": [0.0, 1.0]})
    assert (
        render([only], sampling=None) == "| qa/world     |    em |\n| ------------ | ----: |\n| base encoder | 0.500 |"
    )


def test_few_cutoffs_are_all_shown():
    only = made_row("BM25", {f"{name}@{k}": [0.5, 1.0] for name in ("ndcg", "recall", "mrr") for k in (1, 3)})
    head = "| qa/world | ndcg@1 | ndcg@3 | recall@3 | mrr@3 |"
    assert [render([only], sampling=some).splitlines()[0].replace("  ", "") for some in (SAMPLING, None)] == [head] * 2
    for cutoffs, shown in (
        ((1, 3, 5, 10, 100), ["ndcg@5", "ndcg@10", "recall@10", "mrr@10"]),
        ((1, 2, 3, 100), ["ndcg@100", "recall@100", "mrr@100"]),
    ):
        assert shown_metrics([f"{name}@{k}" for name in ("ndcg", "recall", "mrr") for k in cutoffs]) == shown


def sorted_row(title, values, dataset="mix", **parts):
    """A row of four queries with their parts."""
    return replace(
        made_row(title, values, "icl", dataset),
        parts={field: dict(zip(("q0", "q1", "q2", "q3"), own, strict=True)) for field, own in parts.items()},
        macro=list(parts),
    )


def test_parts_and_their_mean_by_hand():
    parts = {"category": ["nli", "nli", "nli", "topic"], "task_name": ["rte", "rte", "cb", "trec"]}
    rows = [
        sorted_row("BM25", {"score": [1.0, 0.0, 0.0, 1.0]}, **parts),
        sorted_row("base encoder", {"score": [1.0, 1.0, 0.0, 0.0]}, **parts),
    ]
    lines = render(rows, sampling=SAMPLING).splitlines()
    place = lines.index("| icl/mix, score by category | queries |  BM25 | base encoder |")
    assert lines[place + 2 : place + 4] == [
        "| nli                        |       3 | 0.333 |        0.667 |",
        "| topic                      |       1 | 1.000 |        0.000 |",
    ]
    assert "| trec                        |       1 | 1.000 |        0.000 |" in lines
    place = lines.index("| icl/mix, mean by category and task_name | score |")
    assert lines[place + 2].endswith("| BM25                                    | 0.625 |")  # ((0.5 + 0) / 2 + 1) / 2
    assert lines[place + 3].endswith("| base encoder                            | 0.250 |")  # ((1 + 0) / 2 + 0) / 2


def test_the_mean_over_data_sets_has_an_interval_and_leaves_out_who_lacks_one():
    rows = [made_row(who, {"em": [0.0, 1.0] * 20}, "qa", "nq") for who in ("base encoder", "BM25", "oracle")]
    rows += [made_row(who, {"em": [1.0] * 39 + [0.0]}, "qa", "popqa") for who in ("base encoder", "BM25")]
    rows[0] = made_row("base encoder", {"em": [0.0, 1.0] * 20, "ndcg@5": [0.5] * 40}, "qa", "nq")
    blocks = render(rows, sampling=SAMPLING).split("\n\n")
    (means,) = (block for block in blocks if block.startswith("| qa, mean of data sets"))
    intervals = blocks[blocks.index(means) + 1]
    assert means.splitlines()[0] == "| qa, mean of data sets | ndcg@5 (of 1) | em (of 2) |"
    assert means.splitlines()[3] == "| BM25                  |             - |     0.738 |"  # (20 / 40 + 39 / 40) / 2
    assert "oracle" not in means
    low, high = (float(end) for end in intervals.splitlines()[3].split("|")[3].split(" to "))
    assert 0.64 < low < 0.68
    assert 0.79 < high < 0.84


def test_tasks_count_the_same_in_the_mean_of_tasks():
    named = [("qa", "a"), ("qa", "b"), ("qa", "c"), ("tool", "d")]
    rows = [made_row("BM25", {"em": [0.0 if d == "d" else 1.0] * 2}, task, d) for task, d in named]
    scores = Scores(rows, SAMPLING)
    assert scores.mean("em", "BM25", scores.datasets()).value == pytest.approx(0.5)
    assert "| mean of tasks |    em |" in render(rows, sampling=SAMPLING)


def test_a_part_has_the_metric_of_its_queries_and_perplexity_is_of_mean_nats():
    kept = sorted_row("BM25", {"em": [1.0, 0.0, 1.0, 1.0]}, type=["a", "a", "b", ""])
    per_query = kept.per_query | {"perplexity": {"q0": 2.0, "q1": 200.0, "q2": 4.0}}
    whole = replace(kept, per_query=per_query)
    assert whole.mean["perplexity"] == pytest.approx(math.exp((math.log(2) + math.log(200) + math.log(4)) / 3))
    a, b = split(whole, ["type"])
    assert (a.task, a.dataset, b.dataset) == ("icl/mix", "a", "b")
    assert a.mean == {"em": 0.5, "perplexity": pytest.approx(20.0)}
    assert b.mean == {"em": 1.0, "perplexity": pytest.approx(4.0)}


def test_one_answer_recall_is_shown():
    names = [f"answer_recall@{k}" for k in (100, 10, 5)]
    assert shown_metrics([*names, "em"]) == ["answer_recall@10", "em"]


def test_a_narrow_table_keeps_the_headline_columns_and_the_marks_of_the_whole_one():
    n = 60
    names = [
        "ndcg@5",
        "ndcg@10",
        "recall@10",
        "mrr@10",
        "em",
        "f1",
        "contains",
        "rouge_l",
        "log_likelihood",
        "gain",
        "harm",
    ]
    rows = [
        made_row(who, {name: list(np.linspace(0, 0.5, n) + shift) for name in names})
        for who, shift in (("base encoder", 0.0), ("trained encoder", 0.3))
    ]
    whole, narrow = (render(rows, sampling=SAMPLING, most=most).splitlines() for most in (None, 7))
    assert narrow[0].split("|")[2:-1] != whole[0].split("|")[2:-1]
    kept = ["ndcg@10", "recall@10", "em", "log_likelihood", "gain", "harm", "mrr@10"]
    assert [cell.strip() for cell in narrow[0].split("|")[2:-1]] == [name for name in names if name in kept]
    assert max(line.count("|") for line in narrow) == 9  # 8 columns
    assert {cell.strip() for cell in narrow[3].split("|")[2:-1]} <= {cell.strip() for cell in whole[3].split("|")[2:-1]}
    assert narrow[-1] == whole[-1]  # corrected for all comparisons
