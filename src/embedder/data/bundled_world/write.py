"""Write a world to disk, region by region: memory does not grow with it, and it appears whole or not at all."""

import json
import os
import random
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from embedder.data.bundled_world.dialogues import chat, searches
from embedder.data.bundled_world.documents import document
from embedder.data.bundled_world.examples import example_row
from embedder.data.bundled_world.facts import Entity, make_region
from embedder.data.bundled_world.passages import passage
from embedder.data.bundled_world.questions import Question, all_questions
from embedder.data.bundled_world.settings import REGION_PASSAGES, WorldSettings
from embedder.data.bundled_world.tools import request_rows, tool_rows

Row = Mapping[str, Any]


def write_world(settings: WorldSettings, directory: Path) -> Path:
    """Write the six tasks of a world, each a folder of JSON Lines.

    `qa`, `convsearch` and `tool` have `corpus.jsonl`, `train.jsonl` and `test.jsonl`; `chat` has `histories.jsonl` in
    place of a corpus, `lrlm` has documents only, and the corpus of `icl` is its solved examples.

    Args:
        settings: Size and seed; equal settings give equal bytes on every machine.
        directory: Where the world goes; it must not exist.

    Returns:
        The directory.
    """
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    split = _Split(settings.test_share)
    _write(temporary / "qa" / "corpus.jsonl", _corpus(settings), total=settings.passages)
    _write_split(temporary / "qa", _questions(settings), split)
    _write(temporary / "convsearch" / "corpus.jsonl", _corpus(settings), total=settings.passages)
    _write_split(temporary / "convsearch", _searches(settings), split)
    _write(temporary / "tool" / "corpus.jsonl", tool_rows())
    _write_split(temporary / "tool", request_rows(settings.seed, settings.requests), split)
    chats = [chat(_region(settings, number), settings.seed, number) for number in range(settings.dialogues)]
    _write(temporary / "chat" / "histories.jsonl", (one.history for one in chats))
    _write_split(temporary / "chat", (row for one in chats for row in one.questions), split)
    documents = (document(_region(settings, number), settings.seed, number) for number in range(settings.documents))
    _write_split(temporary / "lrlm", documents, split)
    n = settings.examples
    _write(temporary / "icl" / "corpus.jsonl", _examples(settings, range(n), solved=True))
    _write_split(temporary / "icl", _examples(settings, range(n, n + n // 2), solved=False), split)
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.replace(directory)
    except OSError:
        if not directory.is_dir():
            raise
        shutil.rmtree(temporary)  # another process wrote the same world first
    return directory


class _Split:
    """Sends a fixed share of rows to the test side, evenly spread."""

    def __init__(self, test_share: float) -> None:
        self._share = test_share

    def is_test(self, number: int) -> bool:
        return int((number + 1) * self._share) > int(number * self._share)


def _region(settings: WorldSettings, number: int) -> list[Entity]:
    return make_region(settings.seed, number % settings.regions)


def _regions(settings: WorldSettings) -> Iterator[tuple[int, list[Entity]]]:
    """Each region with those of its entities that the encyclopedia has room for."""
    for region in range(settings.regions):
        room = settings.passages - region * REGION_PASSAGES
        yield region, make_region(settings.seed, region)[:room]


def _corpus(settings: WorldSettings) -> Iterator[Row]:
    for region, entities in _regions(settings):
        generator = random.Random(f"{settings.seed}/passages/{region}")  # noqa: S311  # not for cryptography
        for entity in generator.sample(entities, len(entities)):
            yield {"id": entity.id, "title": entity.name, "text": passage(entity, generator)}


def _quota(total: int, settings: WorldSettings, region: int) -> int:
    """Share of a region in `total` rows."""
    return (region + 1) * total // settings.regions - region * total // settings.regions


def _questions(settings: WorldSettings) -> Iterator[Row]:
    number = 0
    carried = 0  # a last region that is cut short cannot fill its quota of every size: others do
    for region, entities in _regions(settings):
        present = {entity.id for entity in entities}
        whole = make_region(settings.seed, region)
        asked = [q for q in all_questions(whole, settings.seed, region) if all(e.id in present for e in q.path)]
        wanted = _quota(settings.questions, settings, region) + carried
        for question in asked[:wanted]:
            yield _question_row(question, number)
            number += 1
        carried = max(0, wanted - len(asked))


def _question_row(question: Question, number: int) -> Row:
    return {
        "query_id": f"question-{number}",
        "query": question.text,
        "answers": [question.answer],
        "pos": [entity.id for entity in question.path],
        "type": question.relation,
        "hops": len(question.path),
    }


def _searches(settings: WorldSettings) -> Iterator[Row]:
    for region, entities in _regions(settings):
        yield from searches(entities, settings.seed, region, _quota(settings.dialogues * 5, settings, region))


def _examples(settings: WorldSettings, numbers: Iterable[int], *, solved: bool) -> Iterator[Row]:
    return (example_row(_region(settings, number), settings.seed, number, solved) for number in numbers)


def _write_split(directory: Path, rows: Iterable[Row], split: _Split) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with (
        (directory / "train.jsonl").open("w", encoding="utf-8") as train,
        (directory / "test.jsonl").open("w", encoding="utf-8") as test,
    ):
        for number, row in enumerate(rows):
            (test if split.is_test(number) else train).write(json.dumps(row, ensure_ascii=False) + "\n")


def _write(path: Path, rows: Iterable[Row], total: int | None = None) -> None:
    from rich.progress import track

    path.parent.mkdir(parents=True, exist_ok=True)
    shown = track(rows, f"Writing {path.parent.name}", total=total, disable=(total or 0) < 20_000, transient=True)
    with path.open("w", encoding="utf-8") as file:
        for row in shown:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
