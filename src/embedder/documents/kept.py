"""Documents that take long to read, kept as they were read: only new and changed files are read again."""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

from rich.progress import track

from embedder.digests import digest_of
from embedder.documents.document import Document, Section, UnreadableError
from embedder.documents.reading import documents_of
from embedder.errors import MissingExtraError
from embedder.files import whole_file
from embedder.identity import identity

_FORMAT = 1  # raised when these readers change
_SLOW = {".pdf": "pypdfium2", ".docx": "mammoth"}
_MANY = 8  # files, from which it is worth the start of other processes
_PROCESSES = min(8, os.cpu_count() or 1)  # at most


def read_ahead(paths: Iterable[Path], directory: Path) -> None:
    """Read files that take long, and were not read before, in all processors where there are many of them.

    What cannot be read is not an error here: it is one when `kept_documents` reads it.
    """
    left = [path for path in paths if path.suffix.lower() in _SLOW and not _place(path, directory).is_file()]
    if len(left) < _MANY:
        return
    with suppress(BrokenProcessPool), ProcessPoolExecutor(min(len(left), _PROCESSES)) as pool:
        done = pool.map(partial(_read, directory=directory), left)
        for _ in track(done, "reading PDF and DOCX", total=len(left), transient=True):
            pass


def _read(path: Path, directory: Path) -> None:
    with suppress(UnreadableError, OSError, MissingExtraError):
        for _ in kept_documents(path, directory):
            pass


def kept_documents(path: Path, directory: Path) -> Iterator[Document]:
    """The documents of a file; see `documents_of`.

    Args:
        path: The file.
        directory: Where those that take long to read are kept, by the content of their file.
    """
    if path.suffix.lower() not in _SLOW:
        yield from documents_of(path)
        return
    place = _place(path, directory)
    documents = _kept(place)
    if documents is None:
        documents = list(documents_of(path))
        with whole_file(place) as file:
            file.write(gzip.compress(json.dumps([asdict(document) for document in documents]).encode(), mtime=0))
    yield from documents


def _place(path: Path, directory: Path) -> Path:
    ending = path.suffix.lower()
    name = identity(format=_FORMAT, ending=ending, content=digest_of(path), package=_version(_SLOW[ending]))
    return directory / f"{name[:16]}.json.gz"


def _kept(place: Path) -> list[Document] | None:
    """What was kept; None if nothing was, or if it was damaged since, which its checksum shows."""
    try:
        rows = json.loads(gzip.decompress(place.read_bytes()))
    except (OSError, EOFError, zlib.error, ValueError):
        return None
    return [
        Document(**row | {"sections": tuple(map(_section, row["sections"])), "pages": tuple(row["pages"])})
        for row in rows
    ]


def _section(row: dict[str, object]) -> Section:
    return Section(**row | {"headings": tuple(row["headings"])})  # type: ignore[arg-type]  # as written


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:  # its reader says so
        return ""
