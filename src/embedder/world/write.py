"""Writes a world to disk as a stream; its folder is there when all is written, or not at all."""

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from embedder.data.jsonl import json_line
from embedder.files import make_once
from embedder.world import rows
from embedder.world.rows import Row
from embedder.world.settings import WorldSettings
from embedder.world.tools import tool_rows

log = logging.getLogger(__name__)

_PROGRESS_FROM = 20_000  # passages; a smaller world takes a few seconds


def write_world(settings: WorldSettings, directory: Path) -> Path:
    """Write the chosen tasks of a world, each a folder of JSON Lines, unless they are there.

    qa, convsearch, tool and icl have `corpus.jsonl`, `train.jsonl` and `test.jsonl`; chat has `histories.jsonl` in
    place of a corpus; lrlm has documents only. Equal settings give equal bytes on every machine. A world that was
    damaged is written again.

    Args:
        settings: Size, seed and tasks.
        directory: Where the world goes, named by its settings. It appears when everything is written.

    Returns:
        The directory.
    """
    if make_once(directory, lambda partial: _write_tasks(settings, partial), "the world is written again"):
        about = (settings.passages, settings.questions, directory)
        log.info("Wrote a world of %d passages and %d questions to %s", *about)
    return directory


def _write_tasks(settings: WorldSettings, directory: Path) -> None:
    for task in settings.tasks:
        folder = directory / task
        folder.mkdir()
        for name, stream in _files(settings, task):
            with (folder / name).open("w", encoding="utf-8", newline="\n") as file:
                for row in _shown(stream, f"{task}/{name}", settings.passages):
                    file.write(json_line(row))


def _files(settings: WorldSettings, task: str) -> Iterator[tuple[str, Iterator[Row]]]:
    """The files of a task and their rows."""
    if task in ("qa", "convsearch"):
        yield "corpus.jsonl", rows.corpus(settings)
    elif task == "icl":
        yield "corpus.jsonl", rows.mixed(rows.example_corpus(settings), settings.seed, "icl corpus")
    elif task == "tool":
        yield "corpus.jsonl", rows.mixed(iter(tool_rows()), settings.seed, "tools")
    elif task == "chat":
        yield "histories.jsonl", (chat.history for test in (False, True) for chat in rows.chats(settings, test=test))
    for test, name in ((False, "train"), (True, "test")):
        yield f"{name}.jsonl", rows.mixed(_queries(settings, task, test=test), settings.seed, task, name)


def _shown(stream: Iterator[Row], name: str, passages: int) -> Iterable[Row]:
    """The rows, counted on the terminal while a large world is written."""
    from rich.progress import track

    if passages < _PROGRESS_FROM:
        return stream
    total = passages if name in ("qa/corpus.jsonl", "convsearch/corpus.jsonl") else None
    return track(stream, f"Writing {name}", total, transient=True)


def _queries(settings: WorldSettings, task: str, *, test: bool) -> Iterator[Row]:
    if task == "chat":
        return (question for chat in rows.chats(settings, test=test) for question in chat.questions)
    return _QUERIES[task](settings, test=test)


_QUERIES: dict[str, Callable[..., Iterator[Row]]] = {
    "qa": rows.questions,
    "convsearch": rows.searches,
    "lrlm": rows.documents,
    "icl": rows.open_examples,
    "tool": rows.requests,
}
