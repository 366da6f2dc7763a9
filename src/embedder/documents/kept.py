"""Documents that take long to read, kept as they were read: only new and changed files are read again."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from embedder.digests import digest_of
from embedder.documents.document import Document, Section
from embedder.documents.reading import documents_of
from embedder.files import whole_file
from embedder.identity import identity

_FORMAT = 1  # raised when these readers change
_SLOW = {".pdf": "pypdfium2", ".docx": "mammoth"}


def kept_documents(path: Path, directory: Path) -> Iterator[Document]:
    """The documents of a file; see `documents_of`.

    Args:
        path: The file.
        directory: Where those that take long to read are kept, by the content of their file.
    """
    ending = path.suffix.lower()
    if ending not in _SLOW:
        yield from documents_of(path)
        return
    name = identity(format=_FORMAT, ending=ending, content=digest_of(path), package=_version(_SLOW[ending]))
    place = directory / f"{name[:16]}.json.gz"
    documents = _kept(place)
    if documents is None:
        documents = list(documents_of(path))
        with whole_file(place) as file:
            file.write(gzip.compress(json.dumps([asdict(document) for document in documents]).encode(), mtime=0))
    yield from documents


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
