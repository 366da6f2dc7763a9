import json
import tracemalloc

import pytest

from embedder.data.bundled_world import WorldSettings, write_world
from embedder.data.bundled_world import write as write_module
from embedder.errors import ConfigError


def rows(path):
    return [json.loads(line) for line in path.open(encoding="utf-8")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(WorldSettings(passages=1250, questions=900), tmp_path_factory.mktemp("w") / "world")


def files(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*.jsonl"))}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    settings = WorldSettings(passages=200, questions=50, dialogues=4, requests=20, documents=4, examples=20)
    one, two = write_world(settings, tmp_path / "1"), write_world(settings, tmp_path / "2")
    other = write_world(WorldSettings(**{**vars(settings), "seed": 1}), tmp_path / "3")
    assert files(one) == files(two)
    assert files(one)["qa/corpus.jsonl"] != files(other)["qa/corpus.jsonl"]


@pytest.mark.parametrize("n", [200, 333, 1000])
def test_exact_number_of_passages(tmp_path, n):
    world = write_world(WorldSettings(passages=n, questions=100), tmp_path / "w")
    assert len(rows(world / "qa" / "corpus.jsonl")) == n


def test_ids_titles_and_questions_are_unique(world):
    corpus = rows(world / "qa" / "corpus.jsonl")
    assert len({row["id"] for row in corpus}) == len({row["title"] for row in corpus}) == 1250
    train, test = rows(world / "qa" / "train.jsonl"), rows(world / "qa" / "test.jsonl")
    assert len(train) + len(test) == 900
    asked = [(row["query"]) for row in train + test]
    assert len(set(asked)) == len(asked)
    assert not {(tuple(row["pos"]), row["type"]) for row in train} & {(tuple(row["pos"]), row["type"]) for row in test}


def test_every_answer_stands_in_its_last_gold_passage(world):
    texts = {row["id"]: f"{row['title']} {row['text']}".lower() for row in rows(world / "qa" / "corpus.jsonl")}
    questions = rows(world / "qa" / "train.jsonl") + rows(world / "qa" / "test.jsonl")
    assert {row["hops"] for row in questions} == {1, 2}
    for row in questions:
        assert row["answers"][0].lower() in texts[row["pos"][-1]], row
        assert len(row["pos"]) == row["hops"]


def test_the_other_tasks_have_their_fields(world):
    for split in ("train", "test"):
        ids = {row["id"] for row in rows(world / "convsearch" / "corpus.jsonl")}
        for row in rows(world / "convsearch" / f"{split}.jsonl"):
            assert row["query"] == " ".join([*row["history"], row["question"]])
            assert set(row["pos"]) <= ids
        histories = {row["history_id"]: row["history"] for row in rows(world / "chat" / "histories.jsonl")}
        for row in rows(world / "chat" / f"{split}.jsonl"):
            assert row["answers"][0] in histories[row["history_id"]][row["evidence"][0]]
        tools = {row["id"] for row in rows(world / "tool" / "corpus.jsonl")}
        assert all(set(row["pos"]) <= tools for row in rows(world / "tool" / f"{split}.jsonl"))
        for row in rows(world / "icl" / f"{split}.jsonl"):
            assert row["answers"][0] in row["options"]
        assert all(len(row["text"]) > 60_000 for row in rows(world / "lrlm" / f"{split}.jsonl"))
    assert len({row["task_name"] for row in rows(world / "icl" / "corpus.jsonl")}) == 5


def test_memory_does_not_grow_with_the_world(tmp_path):
    def peak(passages):
        tracemalloc.start()
        write_world(WorldSettings(passages=passages, documents=4, dialogues=4), tmp_path / str(passages))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small = peak(1000)
    assert peak(8000) < 1.3 * small


def test_a_write_that_fails_leaves_no_world(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(write_module, "tool_rows", fail)
    with pytest.raises(OSError, match="disk full"):
        write_world(WorldSettings(passages=200, questions=20), tmp_path / "world")
    assert not (tmp_path / "world").exists()


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="source.settings.passages: expected 200 to"):
        WorldSettings(passages=10)
