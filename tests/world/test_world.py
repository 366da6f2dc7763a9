"""The bundled world: what it promises of its files, checked on worlds written for the purpose."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from embedder.digests import DIGESTS
from embedder.errors import ConfigError
from embedder.world import WorldSettings, write_world
from embedder.world.facts import build_region
from embedder.world.names import NameSupply, near_word
from embedder.world.rows import mixed

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(
        WorldSettings(passages=1000, test_share=1 / 3, questions=600, seed=3), tmp_path_factory.mktemp("world") / "one"
    )


def read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def digests(directory: Path) -> dict[str, str]:
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    return {str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path):
    settings = WorldSettings(passages=200, test_share=1 / 3, questions=60, seed=5)
    here = write_world(settings, tmp_path / "here")
    code = "import sys, pathlib; from embedder.world import *; "
    code += (
        "write_world(WorldSettings(passages=200, test_share=1 / 3, questions=60, seed=5), pathlib.Path(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "there")], check=True, env={**os.environ, "PYTHONHASHSEED": "7"}
    )
    assert digests(here) == digests(tmp_path / "there")


# SHA-256 of every file of a small world, its first 16 digits.
FOR_EVER = {
    "chat/histories.jsonl": "ef774c95ed676938",
    "chat/test.jsonl": "da54d3d22620add4",
    "chat/train.jsonl": "6e9eabd659dc08c0",
    "convsearch/corpus.jsonl": "95090d215b499d8f",
    "convsearch/test.jsonl": "c9e797ef08686397",
    "convsearch/train.jsonl": "a03256bcb0f8cb4c",
    "icl/corpus.jsonl": "22759a7b81935d74",
    "icl/test.jsonl": "a280818f651631cc",
    "icl/train.jsonl": "8db9802fc639a45c",
    "lrlm/test.jsonl": "4d0a0db4d0d673c2",
    "lrlm/train.jsonl": "6057b9b15a390d7a",
    "qa/corpus.jsonl": "95090d215b499d8f",
    "qa/test.jsonl": "4738602d700a8494",
    "qa/train.jsonl": "07f1d0bb16540833",
    "tool/corpus.jsonl": "a7a26011330b8087",
    "tool/test.jsonl": "8708d6d47282696e",
    "tool/train.jsonl": "006687641430df95",
}


def test_these_bytes_are_for_ever(tmp_path: Path):
    # A change of the generator changes published numbers; whoever makes one on purpose renews the digests.
    world = write_world(WorldSettings(passages=200, test_share=1 / 3, questions=60), tmp_path / "world")
    written = {name: digest[:16] for name, digest in digests(world).items() if name != DIGESTS}
    assert written == FOR_EVER


def test_another_seed_gives_another_world(tmp_path: Path):
    one = write_world(WorldSettings(passages=200, test_share=1 / 3, questions=60, seed=1), tmp_path / "one")
    two = write_world(WorldSettings(passages=200, test_share=1 / 3, questions=60, seed=2), tmp_path / "two")
    shared = {row["title"] for row in read(one / "qa/corpus.jsonl")} & {
        row["title"] for row in read(two / "qa/corpus.jsonl")
    }
    assert not shared


@pytest.mark.parametrize("passages", [200, 299, 1000, 3333])
def test_exactly_as_many_rows_as_asked_for(tmp_path: Path, passages: int):
    world = write_world(
        WorldSettings(passages=passages, test_share=1 / 3, questions=101, tasks=("qa", "tool")), tmp_path / "world"
    )
    corpus = read(world / "qa/corpus.jsonl")
    assert len(corpus) == passages == len({row["id"] for row in corpus})
    for task in ("qa", "tool"):  # 101 / 3 = 33.67, so 34 for tests
        assert [len(read(world / task / f"{split}.jsonl")) for split in ("train", "test")] == [67, 34]


@pytest.mark.parametrize("test_share", [0.05, 0.95])
def test_the_most_questions_that_are_allowed_exist(tmp_path: Path, test_share: float):
    settings = WorldSettings(passages=200, questions=600, test_share=test_share, tasks=("qa", "convsearch"))
    world = write_world(settings, tmp_path / "world")
    for task in settings.tasks:
        assert len(read(world / task / "train.jsonl")) + len(read(world / task / "test.jsonl")) == 600


@pytest.mark.parametrize("task", ["qa", "convsearch"])
def test_gold_passages_exist_and_hold_the_answers(world: Path, task: str):
    texts = {row["id"]: row["text"] for row in read(world / task / "corpus.jsonl")}
    for row in read(world / task / "train.jsonl") + read(world / task / "test.jsonl"):
        assert set(row["pos"]) <= set(texts)
        assert all(answer in texts[row["pos"][-1]] for answer in row["answers"]), row
        assert 1 <= len(row["answers"][0].split()) <= 5
        assert row["answers"][0].lower() not in row.get("question", row["query"]).lower()


def test_a_third_of_the_questions_takes_two_hops(world: Path):
    for split in ("train", "test"):
        rows = read(world / "qa" / f"{split}.jsonl")
        hops = Counter(row["hops"] for row in rows)
        assert hops[2] == pytest.approx(len(rows) / 3, abs=1)
        assert all(len(row["pos"]) == row["hops"] for row in rows)


def test_train_and_test_share_no_question_and_no_fact(world: Path):
    for task in ("qa", "tool", "convsearch", "chat", "icl", "lrlm"):
        field = "text" if task == "lrlm" else "query_id" if task == "chat" else "query"
        train, test = (read(world / task / f"{split}.jsonl") for split in ("train", "test"))
        assert not {row[field] for row in train} & {row[field] for row in test}, task
    for region in range(10):
        test_facts, train_facts = build_region(3, region, 100).split(1 / 3)
        keys = [{(fact.subject, fact.relation) for fact in facts} for facts in (test_facts, train_facts)]
        assert not keys[0] & keys[1]


def test_questions_cover_all_regions(world: Path):
    for split in ("train", "test"):
        rows = read(world / "qa" / f"{split}.jsonl")
        assert {row["pos"][0].split("-")[1] for row in rows} == {str(region) for region in range(10)}


def test_passages_are_35_to_70_words_and_name_their_subject(world: Path):
    for row in read(world / "qa/corpus.jsonl"):
        assert 35 <= len(row["text"].split()) <= 70, row
        assert row["title"] in row["text"]


def test_regions_do_not_lie_in_order(world: Path):
    regions = [int(row["id"].split("-")[1]) for row in read(world / "qa/corpus.jsonl")]
    assert sum(one == other for one, other in pairwise(regions)) < 200  # 100 expected for a random order, 990 in order


def test_every_name_and_every_description_means_one_thing():
    meant = Counter(
        phrase
        for region in range(60)
        for entity in build_region(0, region, 100 + region).entities
        for phrase in {entity.name, entity.mention, *entity.descriptions}
    )
    assert meant.most_common(1)[0][1] == 1


def test_no_two_regions_share_a_word_and_none_has_a_near_word():
    # 612,864 words of two syllables fill 4,788 regions of 128; region 4,790 spells three.
    words = [supply.word() for supply in (NameSupply(0, r) for r in (0, 1, 2, 4787, 4788, 4790)) for _ in range(128)]
    assert len(set(words)) == len(words)
    assert len({near_word(word) for word in words} | set(words)) == 2 * len(words)
    assert (near_word("Oru"), near_word("Kelvar"), near_word("Hirkei")) == ("Orru", "Kelvaar", "Hirkey")


def test_near_doubles_exist():
    region = build_region(0, 0, 100)
    homes = [(one.name.split()[1], one.noun) for one in region.of_kind("person")]
    assert Counter(homes).most_common(1)[0][1] >= 2  # one family, one trade
    towns = [town.name for town in region.of_kind("town")]
    assert any(f"{prefix} {town}" in towns for town in towns for prefix in ("East", "Upper", "Little"))


def test_a_mixed_stream_has_all_rows_in_another_order():
    rows = list(range(3000))
    one = list(mixed(iter(rows), "a"))
    assert sorted(one) == rows
    assert one != rows
    assert one == list(mixed(iter(rows), "a"))


def test_memory_does_not_grow_with_the_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def peak(passages: int) -> int:
        tracemalloc.start()
        write_world(
            WorldSettings(passages=passages, test_share=1 / 3, questions=60, tasks=("qa",)), tmp_path / str(passages)
        )
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    monkeypatch.setattr("embedder.world.write._PROGRESS_FROM", 0)
    peak(200)  # the first progress bar imports much
    assert peak(8_000) < 1.3 * peak(2_000)


def test_a_killed_write_leaves_no_world(tmp_path: Path):
    code = "import sys, pathlib; from embedder.world import *; "
    code += "write_world(WorldSettings(passages=2_000_000), pathlib.Path(sys.argv[1]))"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "world")], stderr=subprocess.DEVNULL)
    while not any(file.stat().st_size for file in tmp_path.rglob("corpus.jsonl")):  # until it is writing
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "world").exists()
    write_world(WorldSettings(passages=200, test_share=1 / 3, questions=30), tmp_path / "world")


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> Iterator[dict[str, Any]]:
        raise KeyboardInterrupt

    monkeypatch.setattr("embedder.world.rows.corpus", broken)
    with pytest.raises(KeyboardInterrupt):
        write_world(WorldSettings(passages=200, test_share=1 / 3, questions=30), tmp_path / "world")
    assert list(tmp_path.iterdir()) == []


def test_a_world_is_never_written_over_another(world: Path):
    before = digests(world)
    assert digests(write_world(WorldSettings(), world)) == before


@pytest.mark.parametrize(
    ("setting", "value"),
    [("passages", 199), ("questions", 3001), ("test_share", 1.0), ("seed", -1), ("tasks", ("qa", "poetry"))],
)
def test_wrong_settings_are_named(setting: str, value: object):
    with pytest.raises(ConfigError, match=rf"^(world|source\.settings)\.{setting}: "):
        WorldSettings(**{setting: value})  # type: ignore[arg-type]
