import json

import pytest

from embedder.errors import DataError
from embedder.evaluation.folder import EvaluationFolder
from embedder.evaluation.query_lines import query_lines
from embedder.evaluation.row import Row
from embedder.types import Query
from tests.evaluation.scripted import Keys, ranking

CORPUS = Keys(a="word " * 100, b="other")
QUERIES = [Query("q", "?", ("x",), ("b",))]


def row(retriever, k=1, **mean):
    return Row("qa", "d", retriever, mean, {name: {"q": value} for name, value in mean.items()}, {"k": k, "t": (1, 2)})


def add(folder, one):
    folder.add(one, query_lines(one, QUERIES, [ranking("a", "b")], {}, CORPUS))


def lines(path):
    return [json.loads(line)["retriever"] for line in (path / "queries.jsonl").read_text().splitlines()]


def test_what_was_scored_by_the_same_protocol_is_kept(tmp_path):
    folder = EvaluationFolder(tmp_path, {"v": 1})
    for name in ("none", "bm25", "base"):
        assert not folder.take(row(name))
        add(folder, row(name, em=1.0))
    with (tmp_path / "queries.jsonl").open("a") as file:
        file.write('{"task": "qa", "dataset": "d", "retriever": "killed"}\n{"task": "q')  # no scores came of these

    again = EvaluationFolder(tmp_path, {"v": 1})
    assert lines(tmp_path) == ["none", "bm25", "base"]
    assert again.take(row("none"))
    assert again.rows[0].mean == {"em": 1.0}
    assert not again.take(row("bm25", k=2))  # another protocol
    assert lines(tmp_path) == ["none", "base"]
    add(again, row("bm25", k=2, em=0.0))
    stored = json.loads((tmp_path / "scores.json").read_text())
    assert stored["format"] == 2
    assert [(one["retriever"], one["mean"]["em"]) for one in stored["rows"]] == [("none", 1), ("bm25", 0), ("base", 1)]
    again.close()  # this run has no row `base`
    assert lines(tmp_path) == ["none", "bm25"]
    assert [one["retriever"] for one in json.loads((tmp_path / "scores.json").read_text())["rows"]] == ["none", "bm25"]
    assert not EvaluationFolder(tmp_path, {"v": 2}).take(row("none"))


def test_a_line_tells_what_was_shown():
    (line,) = query_lines(row("bm25", em=1.0), QUERIES, [ranking("a", "b")], {}, CORPUS)
    assert line["keys"][0] == {"id": "a", "score": 1.0, "text": " ".join(["word"] * 80) + " ..."}
    assert line["keys"][1] == {"id": "b", "score": 0.5, "text": "other"}
    assert (line["gold"], line["output"], line["scores"]) == (["b"], None, {"em": 1.0})


@pytest.mark.parametrize("content", ["{", "[]", '{"rows": [{"x": 1}]}', '{"format": 2}'])
def test_a_file_of_another_kind_is_not_overwritten(tmp_path, content):
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(DataError, match="no result of an evaluation"):
        EvaluationFolder(tmp_path, {})
    assert (tmp_path / "scores.json").read_text() == content
