"""What a benchmark reports beside the means of its data sets."""

import re

import pytest

from embedder.errors import ConfigError, DataError
from embedder.evaluation.benchmark import Benchmark
from embedder.evaluation.table import Row
from embedder.types import Query


def query(name, **groups):
    return Query(name, "text", groups=tuple(groups.items()))


def test_parts_of_a_data_set_are_reported_apart():
    benchmark = Benchmark("hotpotqa", groups=["gold"])
    queries = [query("a", gold="yes"), query("b", gold="no"), query("c", gold="yes"), query("d")]
    means = benchmark.part_means(queries, {"em": {"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0}, "ndcg@5": {"a": 0.25}})
    assert means == {"em[gold=no]": 0.0, "em[gold=yes]": 0.5, "ndcg@5[gold=yes]": 0.25}


def test_categories_count_the_same_however_many_tasks_and_queries_they_have():
    benchmark = Benchmark(
        "icl",
        ["option_likelihood", "generation"],
        macro="category",
        categories={"nli": ["rte", "cb"], "other": ["trec"]},
    )
    queries = [
        query("a", task_name="rte"),
        query("b", task_name="cb"),
        query("c", task_name="trec"),
        query("d", category="x"),
    ]
    means = benchmark.part_means(queries, {"accuracy": {"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0}})
    assert means == {"accuracy[macro category]": pytest.approx((0.5 + 0.0 + 1.0) / 3)}
    with pytest.raises(DataError, match="query 'e' is of the task 'new', which is in no category"):
        benchmark.part_means([query("e", task_name="new")], {"accuracy": {"e": 1.0}})
    benchmark.check(queries)
    with pytest.raises(DataError, match="query 'e' is of the task 'new', which is in no category"):
        benchmark.check([*queries, query("e", task_name="new")])


def test_what_counts_of_a_task_is_one_score():
    benchmark = Benchmark("icl", macro="task_name", metrics={"squad": "f1"})
    queries = [query("a", task_name="rte"), query("b", task_name="squad"), query("c", task_name="squad")]
    per_query = {"accuracy": {"a": 1.0}, "f1": {"b": 0.5, "c": 0.1}, "em": {"b": 0.0, "c": 0.0}}
    means = benchmark.part_means(queries, per_query)
    assert means["score"] == pytest.approx((1.0 + 0.5 + 0.1) / 3)
    assert means["score[macro task_name]"] == pytest.approx((1.0 + 0.3) / 2)


def test_the_mean_over_data_sets_takes_what_all_of_them_have():
    rows = [
        Row("qa", "nq", "BM25", {"em": 0.2, "ndcg@5": 0.5}, {}, {"files": "n"}),
        Row("qa", "triviaqa", "BM25", {"em": 0.4}, {}, {"files": "t"}),
        Row("qa", "nq", "random", {"em": 0.0}, {}, {"files": "n"}),
    ]
    (mean,) = Benchmark("seven_qa", mean=True).dataset_means(rows)
    assert (mean.dataset, mean.retriever, mean.mean) == ("mean of 2", "BM25", {"em": pytest.approx(0.3)})
    assert mean.protocol == {"mean_of": {"nq": "n", "triviaqa": "t"}}
    assert Benchmark("nq").dataset_means(rows) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"macro": "topic"},
            "fields among ['task_name', 'category', 'type', 'gold'], got 'topic'",
        ),
        (
            {"categories": {"a": ["x"], "b": ["x"]}},
            "each task in one category, got \"'x' twice\"",
        ),
        ({"mean": 1}, "benchmark.mean: expected true or false, got 1"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        Benchmark("x", **settings)
