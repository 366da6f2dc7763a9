import json
import math

import pytest

from embedder.errors import DataError
from embedder.report.read import read_answers, read_scores
from tests.report.folders import line, row, write_folder


def test_a_folder_of_the_real_evaluation_is_read(world_folder):
    evaluation = read_scores(world_folder)
    assert [one.retriever for one in evaluation.rows] == ["no retrieval", "random", "BM25"]
    assert "environment" in evaluation.protocol
    lines = list(read_answers(world_folder))
    bm25 = evaluation.rows[2]
    assert {one.query_id for one in lines if one.retriever == "BM25"} == {*bm25.per_query["ndcg@10"]}
    assert sum(one.output is not None for one in lines) == 3 * 6


def test_perplexities_and_nats_are_read_alike(tmp_path):
    # Perplexity 2 and 8: nats log 2 and log 8, mean log 4, perplexity 4.
    for name, values in (("as perplexity", (2.0, 8.0)), ("as nats", (math.log(2), math.log(8)))):
        one = row("BM25", {"perplexity": {"a": values[0], "b": values[1]}}) | {"mean": {"perplexity": 4.0}}
        (found,) = read_scores(write_folder(tmp_path / name, [one])).rows
        assert found.per_query["perplexity"] == pytest.approx({"a": math.log(2), "b": math.log(8)})
    wrong = row("BM25", {"perplexity": {"a": 2.0, "b": 8.0}})  # says 5
    with pytest.raises(DataError, match=r"rows\[0\] \(qa/world, BM25\): perplexity 5.0 is not the exponential"):
        read_scores(write_folder(tmp_path / "wrong", [wrong]))


@pytest.mark.parametrize(
    ("rows", "fields", "message"),
    [
        ([], {}, "a list `rows` that is not empty"),
        ([row("BM25", {})], {"format": 3}, r"expected `format` among \[1, 2\], got 3"),
        ([row("BM25", {}), row("BM25", {})], {}, "two rows for qa / world / BM25"),
        ([row("BM25", {"em": {"a": math.nan}})], {}, "em holds a value that is not a finite number"),
        ([{"task": "qa"}], {}, r"rows\[0\]: not a row of scores \(KeyError: 'dataset'\)"),
        ([row("BM25", {}) | {"mean": []}], {}, r"rows\[0\] \(qa/world, BM25\): not a row of scores"),
    ],
)
def test_scores_that_are_none_are_refused(tmp_path, rows, fields, message):
    with pytest.raises(DataError, match=message):
        read_scores(write_folder(tmp_path, rows, **fields))


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected a folder that evaluate\.py wrote"):
        read_scores(tmp_path)
    (tmp_path / "scores.json").write_bytes(b"\xff{")
    with pytest.raises(DataError, match="not JSON"):
        read_scores(tmp_path)


@pytest.mark.parametrize("bad", ["{", '"text"', json.dumps(line("BM25", "b") | {"keys": [{"id": "k"}]}), '{"task": 1}'])
def test_a_bad_line_is_named(tmp_path, bad):
    write_folder(tmp_path, [row("BM25", {})], [line("BM25", "a")])
    with (tmp_path / "queries.jsonl").open("a") as file:
        file.write(bad + "\n")
    with pytest.raises(DataError, match=r"queries.jsonl:2: not "):
        list(read_answers(tmp_path))
