import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from embedder.data.fields import Row
from embedder.data.known_positives import KnownPositives, write_known_positives
from embedder.data.records import Records, parse_record, record_row
from embedder.errors import DataError
from embedder.texts import text_hash
from embedder.types import Candidate, Key, Query


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_published_form(tmp_path):
    row = {
        "query": "q",
        "pos": ["a"],
        "neg": ["b", "c"],
        "pos_index": [4],
        "neg_index": [5, 6],
        "teacher_scores": [2, -1.5, 0],
        "answers": ["x"],
        "task": "qa",
        "something_else": 1,
    }
    record = Records(write(tmp_path / "r.jsonl", row), "qa")[0]
    assert record.positives == (Key("4", "a"),)
    assert record.negatives == (Key("5", "b"), Key("6", "c"))
    assert record.rewards == (2.0, -1.5, 0.0)
    assert record.answers == ("x",)


def test_a_dialogue_as_published_has_its_history_as_keys_and_a_number_as_id(tmp_path):
    row = {"query_id": 7, "history": ["a: hi", "b: ho"], "query": "q", "teacher_scores": [-3, -2.5], "task": "chat"}
    record = Records(write(tmp_path / "r.jsonl", row), "chat")[0]
    assert (record.id, record.positives) == ("7", ())
    assert [key.text for key in record.negatives] == ["a: hi", "b: ho"]
    assert record.rewards == (-3.0, -2.5)


def test_what_we_write_we_read(tmp_path):
    candidates = (Candidate(Key("g", "gold"), "gold"), Candidate(Key("n", "near"), "bm25", 1, 3.5))
    query = Query("q1", "who?", ("me",), ("g",))
    row = record_row(query, candidates, "qa", ("also gold",)) | {"teacher_scores": [1.0, -2.0]}
    record = Records(write(tmp_path / "r.jsonl", row), "qa")[0]
    assert (record.id, record.query, record.answers) == ("q1", "who?", ("me",))
    assert record.positives + record.negatives == (Key("g", "gold"), Key("n", "near"))
    assert record.rewards == (1.0, -2.0)
    assert text_hash("also gold") in record.known_positives
    assert row["neg_source"] == [["bm25", 1, 3.5]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": None}, "field 'query': expected a string"),
        ({"query": "  "}, "field 'query' is blank"),
        ({"pos": "a"}, "field 'pos': expected a list of strings, got str"),
        ({"neg": ["b", 3]}, "field 'neg': expected a list of strings"),
        ({"teacher_scores": [1.0]}, "has 1 numbers for 1 positives \\+ 1 negatives"),
        ({"teacher_scores": [1.0, float("nan")]}, "not finite"),
        ({"teacher_scores": [True, 1.0]}, "expected a list of numbers"),
        ({"pos_index": [1, 2]}, "field 'pos' has 1 texts, but its ids count 2"),
        ({"task": "tool"}, "is 'tool', but this file is read for the task 'qa'"),
        ({"pos": [], "teacher_scores": None}, "needs 'pos'"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(tmp_path, change, message):
    good = {"query": "q", "pos": ["a"], "neg": ["b"]}
    records = Records(write(tmp_path / "r.jsonl", good, good | change), "qa")
    assert records[0].query == "q"
    with pytest.raises(DataError, match=rf"r.jsonl:2: .*{message}"):
        records[1]


def test_a_missing_field_lists_those_there(tmp_path):
    with pytest.raises(DataError, match=r"missing field 'query' \(fields here: pos\)"):
        Records(write(tmp_path / "r.jsonl", {"pos": ["a"]}))[0]


def test_a_labelled_text_is_no_negative_and_its_reward_goes_with_it():
    row = {"query": "q", "pos": ["A"], "neg": ["A", "B"], "teacher_scores": [3.0, 2.0, 1.0], "other_pos": ["C"]}
    record = parse_record(Row(row, Path("x.jsonl"), 1))
    assert [key.text for key in record.negatives] == ["B"]
    assert record.rewards == (3.0, 1.0)
    assert record.known_positives == (text_hash("A"), text_hash("C"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query": "q", "pos": ["a"], "neg": ["b"], "teacher_scores": [1' + "0" * 400 + ", 0]}", "not finite"),
        ('{"query": "q", "pos": ["a"], "neg": ["b"], "teacher_scores": [' + "1" * 5000 + ", 0]}", "cannot be read"),
        ('{"query": "q", "pos": ["\\ud800"], "neg": ["b"]}', "half a surrogate"),
        ('{"query": ' + "[" * 200_000 + "]" * 200_000 + "}", "cannot be read"),
    ],
)
def test_extremes_of_json_are_errors_with_a_line(tmp_path, line, message):
    path = tmp_path / "records.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=message) as caught:
        Records(path)[0]
    assert "records.jsonl:1" in str(caught.value)


def test_a_copy_of_a_labelled_text_in_other_white_space_or_unicode_form_is_no_negative():
    copies = ["The  ﬁrst\u00a0line\n", "the first line", "A\u030angstro\u0308m", "other"]
    row = {"query": "q", "pos": ["The first line"], "neg": copies, "other_pos": ["Ångström"]}
    record = parse_record(Row(row, Path("x.jsonl"), 1))
    assert [key.text for key in record.negatives] == ["the first line", "other"]  # letter case tells keys apart


def test_what_another_line_of_the_query_labels_is_no_negative_here(tmp_path):
    # A table of the positives of all lines: query "q " labels "a" and "b".
    pairs = np.array([[text_hash("q"), text_hash("a")], [text_hash("q"), text_hash("b")], [text_hash("r"), 1]])
    lines = np.array([text_hash("q"), text_hash("q"), text_hash("r")])
    write_known_positives(tmp_path / "positives.npy", lines, pairs)
    known = KnownPositives(tmp_path / "positives.npy")
    assert set(known.of("q")) == {text_hash("a"), text_hash("b")}
    assert known.of("r") == ()  # on one line only, which tells it itself
    path = write(tmp_path / "r.jsonl", {"query": "q\n", "pos": ["a"], "neg": ["b ", "c"], "teacher_scores": [3, 2, 1]})
    record = pickle.loads(pickle.dumps(Records(path, known=known)))[0]  # as a worker process gets it
    assert [key.text for key in record.negatives] == ["c"]
    assert record.rewards == (3.0, 1.0)
    assert set(record.known_positives) == {text_hash("a"), text_hash("b")}
