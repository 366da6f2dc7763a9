"""`embedder search`: the best keys for a question, from a saved index or from a file of keys."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embedder.commands.arguments import Arguments, run_plainly
from embedder.entry.surroundings import quiet_libraries
from embedder.errors import ConfigError
from embedder.shown import shown

if TYPE_CHECKING:
    from embedder.search.keys import AnyKey

_ABOUT = """\
Find the best keys for a question with a trained retriever.

  embedder search export "Who built the lighthouse?" --keys corpus.jsonl --save index   # encodes the keys once
  embedder search index "Who built the lighthouse?" -k 3                               # uses the saved index"""
_WIDTH = 300  # characters of a key that are shown


def search(arguments: Sequence[str]) -> None:
    """Run the command."""
    given = parser().parse_args(arguments)
    run_plainly(lambda: _search(given))


def parser() -> Arguments:
    """Its arguments."""
    arguments = Arguments("search", _ABOUT)
    add = arguments.add_argument
    add("path", help="a saved index; or with --keys an export, a checkpoint or any encoder's folder")
    add("question", nargs="+", help="one or more questions, each in quotes")
    add("--keys", metavar="FILE", help="JSON Lines with `text`, maybe `title` and other fields")
    add("--save", metavar="FOLDER", help="where the index is kept for the next search")
    add("--task", help="which task's instructions keys and questions get, where there are several")
    add("-k", type=int, default=5, help="keys of a question, at most (5)")
    add("--dense-share", type=float, default=1.0, metavar="SHARE", help="below 1, BM25 finds keys too (1.0; try 0.7)")
    add("--device", default="auto", help="auto, cpu, cuda:0, ...")
    add("--json", action="store_true", help="print a JSON object for each question")
    return arguments


def _search(given: Namespace) -> None:
    """What is wrong with the arguments is an error before the model is loaded."""
    from embedder.search.folder import check_writable, is_saved
    from embedder.search.retriever import load

    if given.k < 1:
        raise ConfigError("-k", "1 or more", given.k)
    if given.save and not given.keys:
        raise ConfigError("--save", "no folder without --keys, since what is searched is a saved index", given.save)
    if not 0 <= given.dense_share <= 1:
        raise ConfigError("--dense-share", "a share from 0 to 1", given.dense_share)
    if any(not question.strip() for question in given.question):
        raise ConfigError("QUESTION", "a question that is not blank", "")
    if given.save:
        check_writable(Path(given.save))
    if not given.keys and Path(given.path).exists() and not is_saved(Path(given.path)):
        raise ConfigError("--keys", f"a file of keys, since {given.path} has no index", None)
    if given.task and not given.keys:
        raise ConfigError("--task", "no task without --keys, since a saved index has its own", given.task)
    keys = _read(given.keys) if given.keys else None
    quiet_libraries()
    retriever = load(given.path, device=given.device)
    if keys is not None:
        retriever.index(keys, given.task, progress=sys.stdout.isatty())  # the bar is drawn on standard output
    if given.save:
        retriever.save(given.save)
    found = retriever.search(given.question, given.k, dense_share=given.dense_share)
    for question, hits in zip(given.question, found, strict=True):
        if given.json:
            listed = [
                {"rank": hit.rank, "score": round(hit.score, 6), "location": hit.location, "key": hit.key}
                for hit in hits
            ]
            print(json.dumps({"question": question, "hits": listed}, ensure_ascii=False))  # noqa: T201
            continue
        print(shown(question))  # noqa: T201
        for hit in hits:
            where = f"  [{shown(hit.location)}]" if hit.location else ""
            print(f"{hit.rank:4}  {hit.score:.4f}  {shown(hit.text, _WIDTH)}{where}")  # noqa: T201


def _read(file: str) -> "list[AnyKey]":
    """The keys of a file; a wrong line is an error that names it."""
    from embedder.data.jsonl import JsonLines

    keys: list[AnyKey] = []
    for row in JsonLines(file).rows():
        row.text("text"), row.text("title", default="")
        keys.append(row.values)
    return keys
