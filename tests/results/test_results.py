"""Evaluation folders are read whole or refused with one clear error; other protocols are not compared."""

import math
import re

import pytest

from embedder.errors import DataError, ProtocolError
from embedder.results.answers import read_answers
from embedder.results.protocols import check_comparable, differing_versions
from embedder.results.scores_file import read_results
from embedder.results.sealed_json import sealed
from tests.results.folders import PROTOCOL, RUN, line, made_row, row, write

VALUES = {"ndcg@10": [0.5, 1.0, 0.0, 0.25], "em": [1.0, 0.0, 0.0, 1.0]}


def test_a_folder_is_read(tmp_path):
    scores = read_results(write(tmp_path, [row("BM25", VALUES), row("base encoder", VALUES)])).scores
    assert scores.retrievers == ["BM25", "base encoder"]
    assert scores.datasets() == [("qa", "world")]
    assert scores.row(("qa", "world"), "BM25").per_query["em"] == {"q0": 1, "q1": 0, "q2": 0, "q3": 1}
    assert scores.row(("qa", "world"), "none") is None


def test_rows_of_means_alone_are_left_out(tmp_path):
    mean = row("BM25", {}, dataset="mean of 3") | {"mean": {"em": 0.5}}
    assert read_results(write(tmp_path, [row("BM25", VALUES), mean])).scores.datasets() == [("qa", "world")]
    with pytest.raises(DataError, match="no row has values of queries"):
        read_results(write(tmp_path, [mean]))


def test_the_mean_of_perplexities_is_that_of_their_mean_nats(tmp_path):
    found = row("base encoder", {"perplexity": [math.exp(value) for value in (1.0, 2.0, 6.0)]})
    read = read_results(write(tmp_path, [found])).rows[0]
    assert (read.per_query, read.mean) == (found["per_query"], {"perplexity": pytest.approx(math.exp(3))})


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder; expected the folder of an evaluation"):
        read_results(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"the folder has no scores\.json"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:30], r"scores.json:1: not JSON .* was it cut\?"),
        (lambda text: "[]", "expected a JSON object, got list"),
        (lambda text: sealed({"format": 3}), "format 3; this version reads format 2"),
        (lambda text: "{}", '"digest" is not that of what it says'),
        (lambda text: text.replace("0.25", "0.75"), '"digest" is not that of what it says; was it edited or damaged'),
        (lambda text: text.replace("QuestionPrompt", "QuestionProlpt"), '"digest" is not that of what it says'),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, change, message):
    file = write(tmp_path, [row("BM25", VALUES)]) / "scores.json"
    file.write_text(change(file.read_text()))
    with pytest.raises(DataError, match=message):
        read_results(tmp_path)


def test_texts_are_read_for_the_wanted_queries(tmp_path):
    lines = [line("BM25", f"q{i}", f"Question {i}?", [("k1", "Text")], "1285") for i in range(3)]
    folder = write(tmp_path / "new", [row("BM25", VALUES)], queries=lines)
    wanted = ("qa", "world", "BM25", "q1")
    found = read_answers(folder, [wanted, ("qa", "world", "BM25", "unknown")])
    assert list(found) == [wanted]
    assert (found[wanted].query, found[wanted].keys[0].id, found[wanted].output) == ("Question 1?", "k1", "1285")
    assert read_answers(write(tmp_path / "old", [row("BM25", VALUES)]), [wanted]) is None


def test_a_damaged_line_is_named(tmp_path):
    lines = [line("BM25", "q0", "Question?"), line("BM25", "q1", "Question?")]
    file = write(tmp_path, [row("BM25", VALUES)], queries=lines) / "queries.jsonl"
    first, second = file.read_text().splitlines()
    file.write_text(f"{first}\n{second.replace('Question', 'Questiom')}\n")
    with pytest.raises(DataError, match=r'queries.jsonl:2: its "digest" is not that of what it says'):
        read_answers(tmp_path, [("qa", "world", "BM25", "q0")])


def rows(change_b, values=VALUES):
    return made_row("base encoder", values), made_row("trained encoder", values, **change_b)


@pytest.mark.parametrize(
    ("change", "field", "in_a", "in_b"),
    [
        ({"files": "other"}, "files", PROTOCOL["files"], "other"),
        ({"queries": 5}, "queries", 4, 5),
        ({"llm": "bigger"}, "llm", PROTOCOL["llm"], "bigger"),
        ({"rag": PROTOCOL["rag"] | {"top_k": 3}}, "rag.top_k", 1, 3),
        ({"seed": 1}, "seed", "(absent)", 1),
        ({"cutoffs": [5, 10]}, "cutoffs", [10], [5, 10]),
        ({"something_new": 1}, "something_new", "(absent)", 1),
    ],
)
def test_rows_of_other_protocols_are_refused(change, field, in_a, in_b):
    with pytest.raises(ProtocolError, match=re.escape(f"{field}: {in_a!r} in A, {in_b!r} in B")) as refused:
        check_comparable(*rows(change), ["ndcg@10", "em"])
    assert refused.value.differing == ((field, in_a, in_b),)


def test_what_describes_the_retriever_may_differ():
    check_comparable(*rows({"sides": {"query_instruction": "Find: "}, "precision": "bf16-mixed"}), ["ndcg@10", "em"])


def test_retrieval_does_not_depend_on_the_llm():
    other = {"llm": None, "rag": None, "prompt": "None", "answered": 0, "consumer_texts": ["Answer: "]}
    check_comparable(*rows(other), ["ndcg@10"])
    with pytest.raises(ProtocolError, match=re.escape("can be compared, as with 'compare.metrics=[ndcg@10]'")):
        check_comparable(*rows(other), ["ndcg@10", "em"])
    check_comparable(*rows({"cutoffs": [5]}), ["em"])


def test_other_queries_are_refused():
    a, b = rows({})
    del b.per_query["em"]["q3"]
    with pytest.raises(ProtocolError, match=r"queries of em: 4 in A, \"3 \('q3' is only in A\)\" in B"):
        check_comparable(a, b, ["em"])


def test_long_values_are_shown_where_they_differ():
    prompt = "An example. " * 100
    with pytest.raises(ProtocolError) as refused:
        check_comparable(*rows({"prompt": prompt + "Another."}), ["em"])
    a, b = made_row("x", VALUES, prompt=prompt + "One."), made_row("y", VALUES, prompt=prompt + "Two.")
    with pytest.raises(ProtocolError, match=r"\.\.\..*One\.' in A, '\.\.\..*Two\.' in B") as refused:
        check_comparable(a, b, ["em"])
    assert len(str(refused.value)) < 400


def test_versions_that_differ_are_told(tmp_path):
    newer = RUN | {"environment": RUN["environment"] | {"torch": "2.14.0"}}
    a = read_results(write(tmp_path / "a", [row("BM25", VALUES)]))
    b = read_results(write(tmp_path / "b", [row("BM25", VALUES)], run=newer))
    assert differing_versions(a, b) == [("environment.torch", "2.13.0", "2.14.0")]
    assert differing_versions(a, a) == []
