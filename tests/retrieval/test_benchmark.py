"""What a benchmark reports beside the means of its data sets."""

import re

import pytest

from embedder.errors import ConfigError, DataError
from embedder.retrieval.benchmark import Benchmark
from embedder.types import Query


def query(name, **groups):
    return Query(name, "text", groups=tuple(groups.items()))


def test_queries_are_sorted_into_parts():
    benchmark = Benchmark("icl", groups=["gold", "type"], macro=["category"], categories={"nli": ["rte", "cb"]})
    queries = [query("a", gold="yes", task_name="rte"), query("b", gold="no", category="x"), query("c")]
    assert benchmark.parts(queries) == {
        "gold": {"a": "yes", "b": "no", "c": ""},
        "category": {"a": "nli", "b": "x", "c": ""},
    }  # and no type, which no query has


def test_a_task_in_no_category_is_an_error_before_anything_is_scored():
    benchmark = Benchmark("icl", macro=["category"], categories={"nli": ["rte"]})
    benchmark.check([query("a", task_name="rte")])
    with pytest.raises(DataError, match="query 'e' is of the task 'new', which is in no category"):
        benchmark.check([query("a", task_name="rte"), query("e", task_name="new")])


def test_what_counts_of_a_query_is_one_score():
    benchmark = Benchmark("icl", metrics={"squad": "f1"})
    queries = [
        Query("a", "text", options=("x", "y"), groups=(("task_name", "rte"),)),
        query("b", task_name="squad"),
        query("c", task_name="squad"),
    ]
    per_query = {"accuracy": {"a": 1.0}, "f1": {"b": 0.5}, "em": {"b": 0.0}}  # c was not answered
    assert benchmark.score(queries, per_query) == {"a": 1.0, "b": 0.5}
    assert Benchmark("nq").score(queries, per_query) == {}
    missing = query("d", task_name="dart")
    with pytest.raises(DataError, match="query 'd' has no options, and nothing says what counts for its task 'dart'"):
        benchmark.check([*queries, missing])
    benchmark.check([*queries, missing], answered=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"macro": ["topic"]},
            "fields among ['task_name', 'category', 'type', 'gold'], got 'topic'",
        ),
        (
            {"categories": {"a": ["x"], "b": ["x"]}},
            "each task in one category, got \"'x' twice\"",
        ),
        ({"macro": ["type", "gold", "category"]}, "one field, or two, got ['type', 'gold', 'category']"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        Benchmark("x", **settings)
