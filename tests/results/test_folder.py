import json
from pathlib import Path

import pytest

from embedder.consumers.query_lines import query_lines
from embedder.data.corpus import Corpus
from embedder.errors import DataError
from embedder.results.answers import Shown, all_answers
from embedder.results.folder import EvaluationFolder
from embedder.results.row import Row
from embedder.results.scores_file import read_results
from embedder.types import Query
from tests.consumers.scripted import Keys, ranking

CORPUS = Keys(a="word " * 100, b="other")
QUERIES = [Query("q", "?", ("x",), ("b",))]


def row(retriever, k=1, **mean):
    return Row("qa", "d", retriever, {name: {"q": value} for name, value in mean.items()}, {"k": k, "t": (1, 2)})


def add(folder, one):
    folder.add(one, query_lines(one, QUERIES, [ranking("a", "b")], {}, CORPUS))


def lines(path):
    return [json.loads(line)["retriever"] for line in (path / "queries.jsonl").read_text().splitlines()]


def stored(path):
    return [(one["retriever"], one["mean"]) for one in json.loads((path / "scores.json").read_text())["rows"]]


def evaluate(path, settings, v=1):
    """Score rows in order; those that were scored before are not scored again."""
    folder, scored = EvaluationFolder(path, {"v": v}), []
    for name, k in settings.items():
        if not folder.take(row(name, k)):
            scored.append(name)
            add(folder, row(name, k, em=float(k)))
    folder.close()
    return scored


def test_what_was_scored_by_the_same_protocol_is_kept(tmp_path):
    assert evaluate(tmp_path, {"none": 1, "bm25": 1, "base": 1}) == ["none", "bm25", "base"]
    assert lines(tmp_path) == ["none", "bm25", "base"]
    assert not (tmp_path / "rows.jsonl").exists()
    assert evaluate(tmp_path, {"none": 1, "bm25": 2}) == ["bm25"]  # another protocol, and no row `base`
    assert stored(tmp_path) == [("none", {"em": 1.0}), ("bm25", {"em": 2.0})]
    assert sorted(lines(tmp_path)) == ["bm25", "none"]
    assert stored(tmp_path / "earlier-1") == [("bm25", {"em": 1.0}), ("base", {"em": 1.0})]  # nothing is lost
    assert lines(tmp_path / "earlier-1") == ["bm25", "base"]
    assert json.loads((tmp_path / "scores.json").read_text())["format"] == 2
    assert evaluate(tmp_path, {"none": 1, "bm25": 2}, v=2) == ["none", "bm25"]
    found = json.loads((tmp_path / "earlier-2" / "scores.json").read_text())
    assert (found["protocol"], [one["retriever"] for one in found["rows"]]) == ({"v": 1}, ["none", "bm25"])


def test_rows_are_added_and_not_written_again(tmp_path):
    folder = EvaluationFolder(tmp_path, {"v": 1})
    add(folder, row("none", em=1.0))
    first = (tmp_path / "rows.jsonl").read_bytes()
    add(folder, row("bm25", em=1.0))
    assert (tmp_path / "rows.jsonl").read_bytes().startswith(first)
    with pytest.raises(DataError, match="this evaluation is not finished"):
        read_results(tmp_path)


def test_nothing_changes_before_the_first_row(tmp_path):
    evaluate(tmp_path, {"none": 1, "bm25": 1})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for v, k in ((1, 2), (2, 1)):  # another protocol of the row, of the run
        assert not EvaluationFolder(tmp_path, {"v": v}).take(row("none", k))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


class Killed(BaseException):
    """As by kill -9, but that what stands in `finally` still runs."""


def killed_before(monkeypatch, change, tear):
    """Kill before the change of this number; a tear cuts the end off what was appended by the one before."""
    changes, appended = 0, None

    def counted(real):
        def method(self, *arguments, **named):
            nonlocal changes, appended
            if real is Path.open and "a" not in arguments:
                return real(self, *arguments, **named)
            changes += 1
            if changes == change:
                if tear and appended is not None:
                    appended.write_bytes(appended.read_bytes()[:-5])
                raise Killed
            appended = self if real is Path.open else None
            return real(self, *arguments, **named)

        return method

    for name in ("open", "replace", "unlink"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))


@pytest.mark.parametrize("tear", [False, True])
@pytest.mark.parametrize("then", [1, 2])
def test_a_run_that_is_killed_after_any_change_ends_with_the_same(tmp_path, monkeypatch, tear, then):
    """A folder with other rows, another run that is killed, and one that has its settings or those of before again."""
    settings = {k: {"none": 1, "bm25": k, "base": 1} for k in (1, 2)}
    for change in range(1, 100):
        path = tmp_path / str(change)
        evaluate(path, settings[1] | {"hybrid": 1})
        with monkeypatch.context() as patch:
            killed_before(patch, change, tear)
            try:
                evaluate(path, settings[2] | {"oracle": 1})
                break
            except Killed:
                pass
        again = evaluate(path, settings[then])
        assert "none" not in again  # was the same all along
        assert stored(path) == [(name, {"em": float(k)}) for name, k in settings[then].items()]
        assert sorted(lines(path)) == sorted(settings[then])
        ems = {one["retriever"]: one["scores"] for one in map(json.loads, (path / "queries.jsonl").open())}
        assert ems == {name: {"em": float(k)} for name, k in settings[then].items()}
    assert change > 12  # of two rows and the end


def test_a_line_tells_what_was_shown():
    (line,) = query_lines(row("bm25", em=1.0), QUERIES, [ranking("a", "b")], {}, CORPUS)
    assert line.keys == (Shown("a", 1.0, " ".join(["word"] * 80) + " ..."), Shown("b", 0.5, "other"))
    assert (line.gold, line.output, line.scores) == (("b",), None, {"em": 1.0})


def test_a_line_tells_where_a_passage_is_found(tmp_path):
    rows = [
        {"id": "a", "text": "Use apt.", "file": "guide.pdf", "page": 4, "headings": ["Install", "Linux"]},
        {"id": "b", "text": "A river.", "file": {"not": "a name"}, "page": 4},
    ]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    corpus = Corpus(tmp_path / "corpus.jsonl")
    (line,) = query_lines(row("bm25", em=1.0), QUERIES, [ranking("a", "b")], {}, corpus)
    (tmp_path / "queries.jsonl").write_text(line.line())
    assert list(all_answers(tmp_path)) == [line]
    assert [key.location for key in line.keys] == ["guide.pdf#page=4, Install > Linux", ""]
    assert "location" not in json.loads(line.line())["keys"][1]


@pytest.mark.parametrize("content", ["{", "[]", '{"rows": [{"x": 1}]}', '{"format": 2}'])
def test_a_file_of_another_kind_is_not_overwritten(tmp_path, content):
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(DataError, match="no result of an evaluation"):
        EvaluationFolder(tmp_path, {})
    assert (tmp_path / "scores.json").read_text() == content


@pytest.mark.parametrize("content", ["{\n", "", '{"rows": 1}\n{"x": 1}\n', '{"format": 2}\n'])
def test_nor_are_damaged_rows(tmp_path, content):
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(DataError, match="no result of an evaluation"):
        EvaluationFolder(tmp_path, {})
