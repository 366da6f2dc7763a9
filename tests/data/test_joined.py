"""The data sets of a task that are searched as one."""

import json

import pytest

from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.data.sources import CorpusSource
from embedder.errors import DataError


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b", "c"):
        keys = [{"id": f"{name}/{n}", "text": f"text {n} of {name}", "title": name.upper()} for n in range(3)]
        write(tmp_path / "qa" / name / "corpus.jsonl", keys)
        query = {"query_id": "q", "query": f"who is {name}?", "pos": [f"{name}/1"], "among": [f"{name}/0", f"{name}/2"]}
        write(tmp_path / "qa" / name / "test.jsonl", [query])
    return tmp_path


def datasets(root, **settings):
    return CorpusSource(str(root), str(root / "converted"), **settings).datasets("qa")


def test_each_data_set_has_the_keys_of_all_and_its_own_queries(root):
    found = datasets(root, join_corpora=True)
    assert len({dataset.corpus for dataset in found}) == 1
    corpus = Corpus(found[0].corpus)
    assert [key.id for key in corpus] == [f"{name}/{n}" for name in "abc" for n in range(3)]
    assert corpus[4].text == "B text 1 of b"
    for start, dataset in enumerate(found):
        (query,) = Queries(dataset.test, corpus)
        assert corpus.span(*query.among) == (3 * start, 3 * start + 3)


def test_only_those_that_are_taken_are_joined_and_alone_each_keeps_its_own(root):
    assert len(Corpus(datasets(root, join_corpora=True, only=["a", "c"])[0].corpus)) == 6
    assert datasets(root, join_corpora=True, only=["a"]) == datasets(root, only=["a"])
    assert {len(Corpus(dataset.corpus)) for dataset in datasets(root)} == {3}


def test_equal_files_count_once(root):
    (root / "qa" / "b" / "corpus.jsonl").write_bytes((root / "qa" / "a" / "corpus.jsonl").read_bytes())
    corpus = Corpus(datasets(root, join_corpora=True)[0].corpus)
    assert [key.id[0] for key in corpus] == list("aaaccc")


def test_one_id_in_two_corpora_is_named_with_both_files_and_lines(root):
    twice = root / "qa" / "c" / "corpus.jsonl"
    write(twice, [{"id": "c/0", "text": "one"}, {"id": "b/2", "text": "two"}])
    with pytest.raises(DataError) as error:
        Corpus(datasets(root, join_corpora=True)[0].corpus)
    assert str(error.value).startswith(f"{twice}:2: id 'b/2' is already that of line 3 of ")
    assert str(root / "qa" / "b" / "corpus.jsonl") in str(error.value)
