"""A data set without a test file gives up a seeded part of its training queries."""

import json
import random
import re

import pytest

from embedder.data.queries import Queries
from embedder.data.sources import CorpusSource
from embedder.errors import ConfigError, DataError


def write_set(directory, queries):
    directory.mkdir(parents=True)
    (directory / "corpus.jsonl").write_text(
        "".join(json.dumps({"id": f"k{n}", "text": f"t {n}"}) + "\n" for n in range(99))
    )
    rows = [{"query_id": f"q{n}", "query": text, **more} for n, (text, more) in enumerate(queries)]
    (directory / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def parts(directory, tmp_path, share):
    (dataset,) = CorpusSource(str(directory), str(tmp_path / "converted"), test_share=share).datasets("qa")
    return {role: [query.text for query in Queries(dataset.file(role))] for role in ("train", "test")}


def test_questions_are_parted_whole_and_alike_in_every_order(tmp_path):
    queries = [(text, {}) for n in range(50) for text in (f"who built {n}?", f"Who  BUILT {n}?")]
    write_set(tmp_path / "a", queries)
    found = parts(tmp_path / "a", tmp_path, 0.1)
    assert {role: len(texts) for role, texts in found.items()} == {"train": 90, "test": 10}
    forms = {role: {" ".join(text.casefold().split()) for text in texts} for role, texts in found.items()}
    assert {role: len(some) for role, some in forms.items()} == {"train": 45, "test": 5}
    assert not forms["train"] & forms["test"]
    random.Random(0).shuffle(queries)
    write_set(tmp_path / "b", queries)
    assert sorted(parts(tmp_path / "b", tmp_path, 0.1)["test"]) == sorted(found["test"])
    more = parts(tmp_path / "a", tmp_path, 0.3)
    assert set(found["test"]) < set(more["test"])


def test_queries_of_one_dialogue_go_the_same_way(tmp_path):
    write_set(
        tmp_path / "a", [(f"turn {n}", {"among": [f"k{n // 10 * 10}", f"k{n // 10 * 10 + 9}"]}) for n in range(90)]
    )
    found = parts(tmp_path / "a", tmp_path, 0.2)
    dialogues = {role: {int(text.split()[1]) // 10 for text in texts} for role, texts in found.items()}
    assert {role: len(texts) for role, texts in found.items()} == {"train": 70, "test": 20}
    assert not dialogues["train"] & dialogues["test"]


def test_without_a_share_the_error_offers_one_and_a_share_that_cannot_be_is_refused(tmp_path):
    write_set(tmp_path / "a", [("who?", {}), ("WHO?", {})])
    with pytest.raises(DataError, match=r"has no test file \(test.jsonl\); source.test_share=0.1 keeps a tenth"):
        parts(tmp_path / "a", tmp_path, None)
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'a' / 'train.jsonl'}: too few different queries (1)")):
        parts(tmp_path / "a", tmp_path, 0.5)
    for share in (0.0, 1.0, "a tenth"):
        with pytest.raises(ConfigError, match=r"^source\.test_share: "):
            parts(tmp_path / "a", tmp_path, share)


def test_an_error_in_a_part_names_the_line_of_the_whole(tmp_path):
    write_set(tmp_path / "a", [(f"who {n}?", {"pos": ["k1"] if n != 7 else 3}) for n in range(20)])
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'a' / 'train.jsonl'}:8: field 'pos'")):
        parts(tmp_path / "a", tmp_path, 0.5)
