"""Which files of a folder are documents, and which are not read."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedder.documents.reading import ENDINGS
from embedder.errors import ConfigError


@dataclass(frozen=True)
class Files:
    """The files of a folder by name: the path below the folder with `/` between its parts."""

    documents: dict[str, Path]
    other_endings: dict[str, int]
    """How many files are of each ending that is not read."""
    closed: dict[str, str]
    """Why a file or folder cannot be opened."""
    hidden: int
    """Files and folders whose name begins with a dot, as one finds them; nothing in such a folder is looked at."""


def files_below(root: Path, made: Path, without: Path | None = None) -> Files:
    """The files of a folder and all folders below it, by name; links are followed, each folder is read once.

    Args:
        root: The folder, or one file.
        made: Where the corpus will lie. What runs write is no document, and each start would find other documents.
        without: A file that is no document, such as that of the questions.

    Raises:
        ConfigError: There is no such path, no file of a known ending, or the corpus would lie among the documents.
    """
    if not root.exists():
        raise ConfigError("source.path", "a folder of documents, or one of them", str(root))
    if root.is_file():
        if root.suffix.lower() not in ENDINGS:
            raise ConfigError("source.path", f"a file that ends in {', '.join(ENDINGS)}", str(root))
        return Files({root.name: root}, {}, {}, 0)
    documents: dict[str, Path] = {}
    closed: dict[str, str] = {}
    others: Counter[str] = Counter()
    hidden = 0
    left_out = None if without is None else without.resolve()
    folders = {root.resolve()}
    for path in _walk(root, folders):
        name = _text(path.relative_to(root).as_posix())
        if _is_hidden(path.name):
            hidden += 1
        elif not path.is_file() or not os.access(path, os.R_OK):
            closed[name] = "a broken link, or not to be opened"
        elif path.suffix.lower() not in ENDINGS:
            others[path.suffix.lower() or "without ending"] += 1
        elif path.resolve() != left_out:
            documents[name] = path
    if folders.intersection(made.resolve().parents):
        expected = f"a folder that runs do not write into (they write {made}; paths.root=FOLDER moves data and outputs)"
        raise ConfigError("source.path", expected, str(root))
    if not documents:
        expected = f"files that end in {', '.join(ENDINGS)}"
        raise ConfigError("source.path", expected + (f" (it has {_counts(others)})" if others else ""), str(root))
    return Files(documents, dict(others), closed, hidden)


def _walk(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """All files below, in the order of their names, what is hidden, and folders that cannot be opened."""
    try:
        paths = sorted(folder.iterdir())
    except PermissionError:
        yield folder
        return
    for path in paths:
        if not path.is_dir() or _is_hidden(path.name):
            yield path
        elif (real := path.resolve()) not in seen:
            seen.add(real)
            yield from _walk(path, seen)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "~$"))  # the second is what Word leaves beside an open document


def _text(name: str) -> str:
    """A name as text, although file systems allow any bytes in it."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _counts(endings: Counter[str]) -> str:
    return ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
