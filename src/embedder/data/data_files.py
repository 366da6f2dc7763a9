"""Which files of a folder are read; a warning names those that look like data and are not read."""

import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

from embedder.data.converted import COMPRESSED
from embedder.errors import ConfigError

logger = logging.getLogger(__name__)

_ROLES = ("corpus", "histories", "train", "test", "queries")
PARTS = "corpus|histories|train|test|queries|dev|valid|validation"
"""Stems of files that look like parts of a data set, as a pattern."""
_ENDING = r"\.(jsonl?|ndjson|csv|tsv|parquet|arrow)(\.(gz|zst|bz2|xz|zip))?"
_MOST_FOLDERS = 2_000  # looked through for data sets that lie too deep


def files_of(directory: Path) -> dict[str, Path]:
    """The files of a data set in a folder, compressed or not, by role."""
    names = {role: f"{role}.jsonl" for role in _ROLES}
    names |= {f"{split}_qrels": f"qrels/{split}.tsv" for split in ("train", "test")}
    paths = {role: existing(directory / name) for role, name in names.items()}
    return {role: path for role, path in paths.items() if path is not None}


def existing(path: Path) -> Path | None:
    """The file, or else its compressed form; None where there is neither."""
    candidates = (path, *(path.with_name(path.name + ending) for ending in COMPRESSED))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def record_files(directory: Path) -> list[Path]:
    """The JSON Lines files of a folder, compressed ones too, by name."""
    plain = {path.with_suffix("") if path.suffix in COMPRESSED else path for path in directory.glob("*.jsonl*")}
    return [path for name in sorted(plain) if name.suffix == ".jsonl" and (path := existing(name)) is not None]


def warn_of_unread(directory: Path, read: Iterable[Path], stems: str) -> None:
    """Warn of files that look like data and are not read.

    Args:
        directory: Where to look; in `qrels` below it too.
        read: The files that are read.
        stems: A pattern of names without endings.
    """
    looks_like_data, known = re.compile(f"({stems}){_ENDING}"), set(read)
    folders = [folder for folder in (directory, directory / "qrels") if folder.is_dir()]
    for path in sorted(path for folder in folders for path in folder.iterdir()):
        if path not in known and looks_like_data.fullmatch(path.name):  # a folder or a broken link among them
            _warn_once(path, "is not read; docs/data.md tells which files are")


def warn_of_deeper(folder: Path, read: Iterable[Path], data: Callable[[Path], Collection[object]]) -> None:
    """Warn of folders with data that lie deeper than those that are read.

    Args:
        folder: Where to look.
        read: Folders that are read.
        data: The files of a folder that would be read.
    """
    known = {path.absolute() for path in read}
    for directory in _below(folder, data):
        if directory.absolute() not in known:
            _warn_once(directory, "is not read, since it lies too deep: name it in source.path too")


def nothing_found(expected: str, paths: object, data: Callable[[Path], Collection[object]]) -> ConfigError:
    """The error for a path without data, which names folders with data that lie deeper."""
    roots = [paths] if isinstance(paths, str) else list(paths) if isinstance(paths, list | tuple) else []
    deeper = [str(directory) for root in roots for directory in _below(Path(str(root)), data)]
    if deeper:
        expected += f" (there is data in {', '.join(deeper[:3])}{' and other folders' if len(deeper) > 3 else ''})"
    return ConfigError("source.path", f"{expected}; docs/data.md tells the forms", paths)


@cache
def _warn_once(path: Path, what: str) -> None:
    """Warn of a path once in a process, although data sets are looked up several times."""
    logger.warning("%s %s", path, what)


def _below(folder: Path, data: Callable[[Path], Collection[object]]) -> Iterator[Path]:
    for number, (name, folders, _) in enumerate(os.walk(folder)):
        folders.sort()
        if number == _MOST_FOLDERS:
            return
        if data(Path(name)):
            yield Path(name)
