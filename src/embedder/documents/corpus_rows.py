"""The rows of the corpus that a folder of documents becomes: passages with what is known of each."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from embedder.data.forms.form import Rows
from embedder.documents.document import Document
from embedder.documents.passages import Cutting, Passage
from embedder.texts import text_hash


def rows_of(document: Document, file: str, named: str, cutting: Cutting) -> Iterator[dict[str, Any]]:
    """The passages of a document as rows.

    The title of a passage is its headings, or else that of the document, or else the name of the file without its
    ending; rows of a file are not called as the file is. An id is made of the file and of what the passage says, so
    that it never comes to mean another text.

    Args:
        document: What was read.
        file: The name of its file.
        named: What the file is called in titles.
        cutting: How it is cut.
    """
    for passage in cutting.passages(document):
        text = document.text[passage.start : passage.end]
        title = " > ".join(passage.headings) or document.title
        if not title and document.line is None:
            title = _words(PurePosixPath(named).stem)
        row: dict[str, Any] = {"id": f"{file}#{_digest(title, text)}", "title": title, "text": text, "file": file}
        row |= {"headings": list(passage.headings)} if passage.headings else {}
        yield row | _position(document, passage)


def _words(name: str) -> str:
    """A name with blanks for what parts its words: `user_guide-2` is read as three words."""
    return " ".join(name.replace("_", " ").replace("-", " ").split()) or name


def _position(document: Document, passage: Passage) -> dict[str, Any]:
    position: dict[str, Any] = {"start": passage.start, "end": passage.end}
    if document.pages:
        position["page"] = bisect_right(document.pages, passage.start)
        if (last := bisect_right(document.pages, passage.end - 1)) > position["page"]:
            position["last_page"] = last
    if document.line is not None:
        position["line"] = document.line
    if document.id:
        position["document"] = document.id
    return position


def _digest(title: str, text: str) -> str:
    return hashlib.blake2b(f"{title}\n{text}".encode(), digest_size=8).hexdigest()


def without_copies(rows: Rows, copies: list[dict[str, Any]]) -> Rows:
    """The rows whose title and text did not come before; the others are noted, with the row that they are copies of.

    Args:
        rows: Passages.
        copies: Where the others are noted.
    """
    seen: dict[int, str] = {}
    for row in rows:
        first = seen.setdefault(text_hash(f"{row['title']}\n{row['text']}"), row["id"])
        if first is row["id"]:
            yield row
        else:
            copies.append({**{name: row[name] for name in row if name not in ("title", "text")}, "copy_of": first})
