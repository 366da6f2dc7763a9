"""The corpus of a folder of documents, made once."""

import json
import logging
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rich.progress import track

from embedder.data.converted import write_once, write_rows
from embedder.data.forms.form import Rows
from embedder.digests import digest_of
from embedder.documents.corpus_rows import rows_of, without_copies
from embedder.documents.document import UnreadableError
from embedder.documents.folder import Files
from embedder.documents.kept import kept_documents, read_ahead
from embedder.documents.passages import Cutting
from embedder.errors import DataError
from embedder.identity import identity
from embedder.shown import quantity, shown

logger = logging.getLogger(__name__)

_FORMAT = 1  # raised when reading or cutting changes, so that an older folder is never taken for a new one
_NOTES = "notes.json"
_NAMED = 50  # files, at most, in one warning


def corpus_of(root: Path, files: Files, cutting: Cutting, converted_dir: Path) -> Path:
    """A folder with `corpus.jsonl` and `copies.jsonl`; what could not be read is named in a warning.

    Args:
        root: What the user named, for messages.
        files: Its documents.
        cutting: How they are cut.
        converted_dir: Where it is kept, under a name made of the contents of all files and the settings.

    Raises:
        DataError: None of the files can be read.
    """
    digests = {name: digest_of(path) for name, path in files.documents.items()}
    folder = converted_dir / f"documents-{identity(format=_FORMAT, cutting=cutting, files=digests)[:16]}"

    def write(partial: Path) -> str:
        notes = _Notes()
        copies: list[dict[str, Any]] = []
        first_of = {digest: name for name, digest in reversed(digests.items())}
        titles = {name: first_of[digest] for name, digest in digests.items()}
        rows = without_copies(_rows(files, titles, cutting, converted_dir / "documents", notes), copies)
        read: set[str] = set()

        def passages() -> Rows:
            for row in rows:
                read.add(row["file"])
                yield row

        counts = write_rows([("corpus", passages()), ("copies", iter(copies))], partial)
        if not counts["corpus"]:
            raise DataError(root, None, f"no document can be read: {_reasons(notes.unread)}")
        (partial / _NOTES).write_text(json.dumps(asdict(notes), indent=1), encoding="utf-8")
        left_out = quantity(counts["copies"], "copy", "copies")
        return f"{quantity(counts['corpus'], 'passage')} of {quantity(len(read), 'file')}, {left_out} left out"

    write_once(folder, write, str(root))
    _tell_once(str(root), folder, tuple(files.closed.items()), tuple(files.other_endings.items()), files.hidden)
    return folder


@dataclass
class _Notes:
    """What is to be said of files, by name."""

    unread: dict[str, str] = field(default_factory=dict)
    guessed: dict[str, str] = field(default_factory=dict)


def _rows(files: Files, titles: dict[str, str], cutting: Cutting, kept: Path, notes: _Notes) -> Rows:
    """The passages of all files; notes which files cannot be read and why, and which encodings were guessed."""
    read_ahead(files.documents.values(), kept)
    for name, path in track(files.documents.items(), "reading documents", transient=True):
        blank = 0
        try:
            for document in kept_documents(path, kept):
                blank += not document.text.strip()
                notes.unread |= {name: document.missing} if document.missing else {}
                notes.guessed |= {name: document.guessed} if document.guessed else {}
                yield from rows_of(document, name, titles[name], cutting)
            if blank:
                notes.unread[name] = f"{blank} rows without text"
        except UnreadableError as error:  # an OSError is not of the document: its bytes were read for its digest
            notes.unread[name] = str(error)


Pairs = tuple[tuple[str, Any], ...]


@cache
def _tell_once(root: str, folder: Path, closed: Pairs, other_endings: Pairs, hidden: int) -> None:
    """What was not read; once in a process, although data sets are looked up several times."""
    notes = _Notes(**json.loads((folder / _NOTES).read_text(encoding="utf-8")))
    unread = dict(closed) | notes.unread
    for what, reasons in (("not read, or not whole", unread), ("read in an encoding that was guessed", notes.guessed)):
        if reasons:
            logger.warning("%s: %s (number of files: %d): %s", root, what, len(reasons), _reasons(reasons))
    others = [f"{count} {shown(ending)}" for ending, count in Counter(dict(other_endings)).most_common()]
    if others or hidden:
        logger.info("%s: not read: %s", root, ", ".join([*others, *([f"{hidden} hidden"] if hidden else [])]))


def _reasons(unread: dict[str, str]) -> str:
    names = [shown(f"{name} ({reason})") for name, reason in unread.items()]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
