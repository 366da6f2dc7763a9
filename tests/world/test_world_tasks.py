"""The six tasks of the bundled world have the fields of the compact data sets, and questions that can be answered."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from embedder.world import WorldSettings, write_world

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(
        WorldSettings(passages=400, test_share=1 / 3, questions=300), tmp_path_factory.mktemp("world") / "tasks"
    )


def read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


QUERY = {"query_id": str, "query": str}
FIELDS: dict[str, dict[str, type]] = {
    "qa/corpus": {"id": str, "title": str, "text": str},
    "qa/test": QUERY | {"answers": list, "pos": list, "hops": int, "type": str},
    "convsearch/corpus": {"id": str, "title": str, "text": str},
    "convsearch/test": QUERY
    | {"answers": list, "pos": list, "type": str, "history": list, "question": str, "dialogue": str},
    "tool/corpus": {"id": str, "title": str, "text": str},
    "tool/test": QUERY | {"pos": list, "type": str},
    "chat/histories": {"history_id": str, "history": list},
    "chat/test": QUERY | {"answers": list, "history_id": str, "evidence": list, "type": str},
    "lrlm/test": {"doc_id": str, "title": str, "domain": str, "text": str},
    "icl/corpus": {"id": str, "task_name": str, "contents": str, "answers": list, "options": list},
    "icl/test": QUERY | {"task_name": str, "options": list, "answers": list},
}


@pytest.mark.parametrize("name", FIELDS)
def test_fields(world: Path, name: str):
    names = [name, name.replace("test", "train")] if name.endswith("test") else [name]
    for file in names:
        rows = read(world / f"{file}.jsonl")
        assert rows
        for row in rows:
            assert {field: type(value) for field, value in row.items()} == FIELDS[name]
            assert all(row.values())


def test_only_the_chosen_tasks_are_written(tmp_path: Path):
    world = write_world(
        WorldSettings(passages=200, test_share=1 / 3, questions=30, tasks=("tool",)), tmp_path / "world"
    )
    assert [path.name for path in world.iterdir() if path.is_dir()] == ["tool"]


def test_a_search_needs_its_history(world: Path):
    titles = {row["title"] for row in read(world / "convsearch/corpus.jsonl")}
    for row in read(world / "convsearch/test.jsonl"):
        assert len(row["history"]) in (2, 4)
        assert row["query"] == " ".join([*row["history"], row["question"]])
        assert not any(title in row["question"] for title in titles)  # a pronoun stands for the subject


def test_an_answer_of_a_chat_stands_in_its_turn_pair_and_in_no_other(world: Path):
    histories = {row["history_id"]: row["history"] for row in read(world / "chat/histories.jsonl")}
    used: dict[str, set[str]] = {}
    for split in ("train", "test"):
        rows = read(world / "chat" / f"{split}.jsonl")
        used[split] = {row["history_id"] for row in rows}
        for row in rows:
            history = histories[row["history_id"]]
            spoken = [unit.split("\n", 1)[1] for unit in history]
            assert 20 <= len(history) <= 60
            (place,) = row["evidence"]
            assert row["answers"][0] in spoken[place]
    assert not used["train"] & used["test"]
    assert used["train"] | used["test"] == set(histories)


def test_requests_name_no_tool_and_need_one_to_three(world: Path):
    names = {row["id"] for row in read(world / "tool/corpus.jsonl")}
    rows = read(world / "tool/test.jsonl") + read(world / "tool/train.jsonl")
    for row in rows:
        assert set(row["pos"]) <= names
        assert not any(name in row["query"] or name.replace("_", " ") in row["query"].lower() for name in names)
    assert set(Counter(len(row["pos"]) for row in rows)) == {1, 2, 3}


def test_facts_return_far_apart_in_a_document(world: Path):
    document = read(world / "lrlm/test.jsonl")[0]["text"]
    assert len(document) > 50_000
    paragraphs = [part for part in document.split("\n\n") if part.startswith("That evening the talk turned once more")]
    assert len(paragraphs) > 10
    for paragraph in paragraphs:
        subject = paragraph.split(". ")[0].removeprefix("That evening the talk turned once more to ")
        bare = subject.removeprefix("the ")
        assert document.index(paragraph) - document.index(bare) > 2_000  # characters, several chunks of 128 tokens


def test_examples_offer_their_answer(world: Path):
    corpus, test = read(world / "icl/corpus.jsonl"), read(world / "icl/test.jsonl")
    assert len({row["task_name"] for row in corpus}) == len({row["task_name"] for row in test}) == 6
    for row in [*corpus, *test]:
        assert row["answers"][0] in row["options"]
        assert len(set(row["options"])) == len(row["options"]) >= 2
    for row in corpus:
        assert row["contents"].endswith("\n" + row["answers"][0])


def test_no_option_is_nearly_always_right(world: Path):
    rows = read(world / "icl/train.jsonl")
    for task in {row["task_name"] for row in rows}:
        right = Counter(row["answers"][0] for row in rows if row["task_name"] == task)
        assert right.most_common(1)[0][1] < 0.75 * right.total()
