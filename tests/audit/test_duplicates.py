"""`prepare.py action=duplicates`: what a small data set repeats is listed, and left out of a copy of it."""

import json

import pytest

from embedder.audit.duplicates import DuplicatesRun, write_without
from embedder.data.sources import CorpusSource, Dataset
from embedder.errors import ConfigError, DataError
from tests.entry_points import run_here

TEXTS = {
    "a": "the ferry to Oru leaves at nine every morning and returns at noon",
    "b": "the lighthouse was built in 1820",
    "a2": "the ferry to Oru leaves at nine every morning and returns at  noon",
    "a3": "the ferry to Oru leaves at nine every morning and returns at night",  # 10 of 12 runs
}


@pytest.fixture
def folder(tmp_path):
    def write(name, rows):
        (tmp_path / "data" / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    (tmp_path / "data").mkdir()
    write("corpus.jsonl", [{"id": key, "text": text, "page": 3} for key, text in TEXTS.items()])
    write("train.jsonl", [{"query_id": "1", "query": "When?", "pos": ["a2", "a"], "pool": ["a2"]}])
    write(
        "test.jsonl", [{"query_id": "2", "query": "ferry to Oru leaves at NINE", "pos": ["a3"], "exclude": ["a2", "b"]}]
    )
    return tmp_path / "data"


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_they_are_listed_counted_and_left_out(folder, tmp_path):
    out = run_here(
        "prepare.py", "action=duplicates", "task_mix=tool", "source=corpus", f"source.path={folder}", "run.limit=0.8",
        f"run.out={tmp_path}/distinct", f"hydra.run.dir={tmp_path}/out",
    )  # fmt: skip
    assert out.returncode == 0, out.stderr[-2000:]
    assert "tool/data: of 4 keys 1 repeat an earlier one wholly, 1 nearly (0.80 or more" in out.stdout
    assert "1 queries of train have a gold key with a copy that is not gold" in out.stdout  # a3 is not
    assert "1 queries of test have a gold key with a copy that is not gold" in out.stdout
    assert "1 of 1 test questions are, nearly in full, in the text of a key" in out.stdout
    assert "ferry to Oru leaves at NINE in key a" in out.stdout
    assert rows(tmp_path / "out/duplicates/tool/data.jsonl") == [
        {"id": "a2", "copy_of": "a", "similarity": 1.0},
        {"id": "a3", "copy_of": "a", "similarity": 0.8333},
    ]
    distinct = tmp_path / "distinct" / "tool" / "data"
    assert [row["id"] for row in rows(distinct / "corpus.jsonl")] == ["a", "b"]
    assert rows(distinct / "corpus.jsonl")[0]["page"] == 3
    assert rows(distinct / "train.jsonl") == [{"query_id": "1", "query": "When?", "pos": ["a"], "pool": ["a2"]}]
    # A gold key is never excluded too.
    assert rows(distinct / "test.jsonl") == [
        {"query_id": "2", "query": "ferry to Oru leaves at NINE", "pos": ["a"], "exclude": ["b"]}
    ]
    with pytest.raises(ConfigError, match=r"run.out: expected a folder that does not exist yet"):
        DuplicatesRun({}, CorpusSource(str(folder), ""), "out", out=str(tmp_path / "distinct"))


def test_a_range_of_keys_is_refused_with_its_line(folder, tmp_path):
    (folder / "train.jsonl").write_text('{"query_id": "1", "query": "When?", "pos": ["a"], "among": ["a", "b"]}\n')
    dataset = Dataset("tool", "data", folder / "corpus.jsonl", folder / "train.jsonl")
    with pytest.raises(DataError, match=r"train.jsonl:1: field 'among'"):
        write_without(dataset, {"a2": "a"}, tmp_path)
