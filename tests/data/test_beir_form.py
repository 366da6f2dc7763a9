"""Data sets in BEIR form are read like those by id, by any task."""

import json
import re

import pytest

from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.data.sources import CorpusSource
from embedder.errors import ConfigError, DataError


def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_beir(directory, qrels="query-id\tcorpus-id\tscore\nq2\td1\t2\nq2\td3\t1\nq1\td2\t0\n"):
    lines(
        directory / "corpus.jsonl",
        [
            {"_id": "d1", "title": "Light", "text": "A lighthouse.", "metadata": {}},
            {"_id": "d2", "title": "Only a title", "text": ""},
            {"_id": "d3", "title": "", "text": ""},
        ],
    )
    lines(
        directory / "queries.jsonl",
        [{"_id": "q1", "text": "one?"}, {"_id": "q2", "text": "two?"}, {"_id": "q3", "text": "x"}],
    )
    (directory / "qrels").mkdir()
    (directory / "qrels" / "test.tsv").write_bytes(qrels.encode("utf-8", "surrogateescape"))


def test_judged_queries_become_queries_with_gold_keys(tmp_path):
    write_beir(tmp_path / "qa" / "scifact")
    (dataset,) = CorpusSource(str(tmp_path), str(tmp_path / "converted")).datasets("qa")
    corpus = Corpus(dataset.file("corpus"))
    queries = {query.id: query for query in Queries(dataset.file("test"), corpus)}
    assert dataset.name == "scifact"
    assert [key.text for key in corpus] == ["Light A lighthouse.", "Only a title", "d3"]
    assert queries["q2"].positives == ("d1", "d3")
    assert queries["q1"].positives == ()  # judged, and nothing is right
    assert "q3" not in queries  # not judged in this split


def test_a_query_is_not_compared_with_the_document_of_its_own_id(tmp_path, caplog):
    header = "query-id\tcorpus-id\tscore\n"
    write_beir(tmp_path / "set", f"{header}d1\td2\t1\nd3\td3\t1\nd3\td1\t1\nq1\td1\t1\n")
    lines(tmp_path / "set" / "queries.jsonl", [{"_id": name, "text": f"{name}?"} for name in ("d1", "d3", "q1")])
    (tmp_path / "set" / "qrels" / "train.tsv").write_text(f"{header}d3\td2\t1\n")
    (dataset,) = CorpusSource(str(tmp_path / "set"), str(tmp_path / "converted")).datasets("qa")
    corpus = Corpus(dataset.file("corpus"))
    found = {query.id: (query.positives, query.exclude) for query in Queries(dataset.file("test"), corpus)}
    # d3 is judged to be right for itself: BEIR drops it from every ranking, so that nobody could find it.
    assert found == {"d1": (("d2",), ("d1",)), "d3": (("d1",), ("d3",)), "q1": (("d1",), ())}
    assert [query.exclude for query in Queries(dataset.file("train"), corpus)] == [("d3",)]
    assert "test.tsv: 2 queries have the id of a document" in caplog.text
    assert "1 judgments" in caplog.text


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ("q2\td1\t2\n", "test.tsv:1: expected the columns ['query-id', 'corpus-id', 'score']"),
        (
            "query-id\tcorpus-id\tscore\nq2\td1\n",
            "test.tsv:2: expected query id, document id and score, got ['q2', 'd1']",
        ),
        (
            "query-id\tcorpus-id\tscore\nq1\td1\t1\nq9\td1\t1\n",
            "test.tsv:3: names the query 'q9', which is not in queries.jsonl",
        ),
        (
            "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td8\t0\nq1\td9\t1\n",
            "test.tsv:4: judges the document 'd9', which is not in the corpus",
        ),
        ("query-id\tcorpus-id\tscore\nq1\td1\t1e400\n", "test.tsv:2: expected a finite score, got '1e400'"),
        ("query-id\tcorpus-id\tscore\nq1\td\udce91\t1\n", "test.tsv:2: not UTF-8 text (byte 4 of the line)"),
    ],
)
def test_wrong_judgments_are_named(tmp_path, qrels, message):
    write_beir(tmp_path / "set", qrels)
    with pytest.raises(DataError, match=re.escape(message)):
        CorpusSource(str(tmp_path / "set"), str(tmp_path / "converted")).datasets("qa")


def test_only_other_judgments_are_named(tmp_path):
    write_beir(tmp_path / "set")
    (tmp_path / "set" / "qrels" / "test.tsv").rename(tmp_path / "set" / "qrels" / "dev.tsv")
    message = f"{tmp_path / 'set' / 'qrels' / 'test.tsv'}: no such file, which judges the queries of queries.jsonl; "
    with pytest.raises(DataError, match=re.escape(message + "there is qrels/dev.tsv")):
        CorpusSource(str(tmp_path / "set"), str(tmp_path / "converted")).datasets("qa")


def test_a_byte_order_mark_is_no_part_of_the_judgments(tmp_path):
    write_beir(tmp_path / "set", "\ufeffquery-id\tcorpus-id\tscore\nq2\td1\t2\n")
    (dataset,) = CorpusSource(str(tmp_path / "set"), str(tmp_path / "converted")).datasets("qa")
    assert [query.positives for query in Queries(dataset.file("test"))] == [("d1",)]


def test_only_the_named_data_sets_of_a_folder_are_taken(tmp_path):
    for name in ("a", "b", "c"):
        write_beir(tmp_path / "qa" / name)
    source = CorpusSource(str(tmp_path), str(tmp_path / "converted"), only=["c", "a"])
    assert [dataset.name for dataset in source.datasets("qa")] == ["a", "c"]
    wrong = CorpusSource(str(tmp_path), str(tmp_path / "converted"), only=["nq"])
    with pytest.raises(ConfigError, match=re.escape("data sets of the task 'qa', which are ['a', 'b', 'c'], got 'nq'")):
        wrong.datasets("qa")
