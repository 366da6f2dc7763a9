"""Compressed files are read, and what is not read is named."""

import gzip
import json
import logging
import re
import shutil

import pyarrow as pa
import pytest

from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.data.records import Records
from embedder.data.sources import CorpusSource, JsonlSource, RecordFiles
from embedder.errors import ConfigError, DataError

PACK = {".gz": gzip.compress, ".zst": lambda content: pa.Codec("zstd").compress(content, asbytes=True)}


def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_set(directory, word="harbour"):
    lines(directory / "corpus.jsonl", [{"id": f"k{n}", "text": f"{word} {n}"} for n in range(3)])
    for split in ("train", "test"):
        lines(directory / f"{split}.jsonl", [{"query_id": "q0", "query": f"{split} {word}?", "pos": ["k1"]}])


def pack(path, ending, content=None):
    packed = path.with_name(path.name + ending)
    packed.write_bytes(PACK[ending](path.read_bytes()) if content is None else content)
    path.unlink()
    return packed


def datasets(path, tmp_path, task="tool"):
    return CorpusSource(str(path), str(tmp_path / "converted")).datasets(task)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_compressed_files_are_read_as_plain_ones(tmp_path, ending):
    write_set(tmp_path / "a")
    for name in ("corpus", "train", "test"):
        pack(tmp_path / "a" / f"{name}.jsonl", ending)
    for _ in range(2):  # made, then found
        (dataset,) = datasets(tmp_path / "a", tmp_path)
        corpus = Corpus(dataset.file("corpus"))
        assert [key.text for key in corpus] == ["harbour 0", "harbour 1", "harbour 2"]
        texts = [query.text for role in ("train", "test") for query in Queries(dataset.file(role), corpus)]
        assert texts == ["train harbour?", "test harbour?"]


def test_compressed_judgments_and_published_records_are_read(tmp_path):
    lines(tmp_path / "a" / "corpus.jsonl", [{"_id": "d1", "text": "harbour"}])
    lines(tmp_path / "a" / "queries.jsonl", [{"_id": "q1", "text": "where?"}])
    (tmp_path / "a" / "qrels").mkdir()
    (tmp_path / "a" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    pack(tmp_path / "a" / "queries.jsonl", ".zst")
    pack(tmp_path / "a" / "qrels" / "test.tsv", ".gz")
    (dataset,) = datasets(tmp_path / "a", tmp_path)
    assert [query.positives for query in Queries(dataset.file("test"))] == [("d1",)]
    lines(tmp_path / "b" / "tool" / "one.jsonl", [{"query": "q", "pos": ["p"], "neg": ["n"]}])
    pack(tmp_path / "b" / "tool" / "one.jsonl", ".gz")
    (records,) = JsonlSource(str(tmp_path / "b"), str(tmp_path / "converted")).datasets("tool")
    assert (records.name, next(iter(Records(records.file("records")))).query) == ("one", "q")


@pytest.mark.parametrize(
    ("ending", "damage"), [(".gz", "cut"), (".gz", "flip"), (".zst", "cut"), (".zst", "text"), (".gz", "text")]
)
def test_a_damaged_compressed_file_is_named_and_leaves_nothing(tmp_path, ending, damage):
    write_set(tmp_path / "a", word="a long text so that there is something to compress, again and again " * 9)
    whole = PACK[ending]((tmp_path / "a" / "train.jsonl").read_bytes())
    half = len(whole) // 2
    bad = {"cut": whole[:half], "flip": whole[:half] + bytes([whole[half] ^ 255]) + whole[half + 1 :], "text": b"plain"}
    path = pack(tmp_path / "a" / "train.jsonl", ending, bad[damage])
    with pytest.raises(DataError, match=re.escape(f"{path}: a damaged {ending} file")):
        datasets(tmp_path / "a", tmp_path)
    assert not list((tmp_path / "converted").iterdir())


def test_an_error_names_the_compressed_file_and_its_line(tmp_path):
    write_set(tmp_path / "a")
    with (tmp_path / "a" / "corpus.jsonl").open("a") as file:
        file.write('{"id": 7, "text": "x"}\n')
    path = pack(tmp_path / "a" / "corpus.jsonl", ".gz")
    (dataset,) = datasets(tmp_path / "a", tmp_path)
    with pytest.raises(DataError, match=re.escape(f"{path}:4: field 'id': expected a string")):
        Corpus(dataset.file("corpus"))
    moved = tmp_path / "moved"
    shutil.move(tmp_path / "a", moved)
    (dataset,) = datasets(moved, tmp_path)  # found by its contents
    with pytest.raises(DataError, match=re.escape(f"{moved / 'corpus.jsonl.gz'}:4: ")):
        Corpus(dataset.file("corpus"))


def test_what_lies_too_deep_and_what_is_not_read_is_named(tmp_path, caplog):
    write_set(tmp_path / "h" / "tool" / "one")
    write_set(tmp_path / "h" / "tool" / "more" / "deep" / "two")
    write_set(tmp_path / "h" / "qa" / "of" / "another" / "task")
    for name in ("validation.jsonl", "train.jsonl.bz2", "corpus.jsonl.gz", "notes.txt"):
        (tmp_path / "h" / "tool" / "one" / name).write_text("x")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert [dataset.name for dataset in datasets(tmp_path / "h", tmp_path)] == ["one"]
    told = [
        record.getMessage().removeprefix(f"{tmp_path}/h/tool/").split(" is not read")[0] for record in caplog.records
    ]
    assert told == ["more/deep/two", "one/corpus.jsonl.gz", "one/train.jsonl.bz2", "one/validation.jsonl"]


def test_a_path_without_data_names_the_folders_that_have_some(tmp_path):
    write_set(tmp_path / "h" / "more" / "deep" / "two")
    with pytest.raises(ConfigError, match=re.escape(f"(there is data in {tmp_path}/h/more/deep/two)")):
        datasets(tmp_path / "h", tmp_path)
    expected = (
        "source.path: expected a directory that holds a data set (corpus.jsonl, train.jsonl, test.jsonl), tool/ or"
    )
    with pytest.raises(ConfigError, match=re.escape(expected)):
        datasets(tmp_path / "nothing", tmp_path)
    with pytest.raises(ConfigError, match=re.escape(f"(there is data in {tmp_path}/h/more/deep/two)")):
        JsonlSource(str(tmp_path / "h"), str(tmp_path / "converted")).datasets("tool")


def test_published_records_in_other_formats_are_named(tmp_path, caplog):
    lines(tmp_path / "b" / "tool" / "one.jsonl", [{"query": "q", "pos": ["p"], "neg": ["n"]}])
    for name in ("tool/one.jsonl.gz", "tool/two.jsonl.bz2", "tool/three.json", "tool.parquet", "qa.json"):
        (tmp_path / "b" / name).write_text("x")
    with caplog.at_level(logging.WARNING):
        JsonlSource(str(tmp_path / "b"), str(tmp_path / "converted")).datasets("tool")
    told = [record.getMessage().removeprefix(f"{tmp_path}/b/").split(" is not read")[0] for record in caplog.records]
    assert told == ["tool.parquet", "tool/one.jsonl.gz", "tool/three.json", "tool/two.jsonl.bz2"]


def test_released_records_lie_in_folders_of_their_own(tmp_path):
    files = {"qa": ["qa/nq/train.json"], "tool": ["tool/toolbench/train.json"]}
    (tmp_path / "qa" / "nq").mkdir(parents=True)
    (tmp_path / "qa" / "nq" / "train.json").write_text("{}\n")
    source = RecordFiles(str(tmp_path), files, str(tmp_path / "converted"))
    (dataset,) = source.datasets("qa")
    assert (dataset.name, dataset.records) == ("nq", tmp_path / "qa" / "nq" / "train.json")
    with pytest.raises(ConfigError, match=r"source.path: expected a folder that holds tool/toolbench/train.json, got"):
        source.datasets("tool")
    with pytest.raises(ConfigError, match=r"source.files.chat: expected files of this task, since the mix has it"):
        source.datasets("chat")
