"""Reads JSON Lines: each row is a document."""

from collections.abc import Iterator
from pathlib import Path

from embedder.data.fields import Row
from embedder.data.jsonl import JsonLines
from embedder.documents.document import Document, UnreadableError, whole
from embedder.errors import DataError

_TEXTS = ("text", "content", "contents", "body")
_IDS = ("id", "_id", "doc_id")


def read_json_lines(path: Path) -> Iterator[Document]:
    """The rows, if the first one has a text.

    Raises:
        UnreadableError: The first row has none, so that these are no documents.
        DataError: A later row is malformed.
    """
    try:
        rows = JsonLines(path)
        field = next((name for name in _TEXTS if isinstance(rows[0].get(name), str)), None)
    except DataError as error:
        raise UnreadableError(str(error)) from error
    if field is None:
        raise UnreadableError(f"no field {' or '.join(map(repr, _TEXTS))} with a text in its first row")
    for row in rows.rows():
        title = row.text("title", default="")
        yield whole(row.text(field, default="").strip("\n") or title, title, _id(row), row.line)


def _id(row: Row) -> str:
    return next((row.label(name) for name in _IDS if name in row), "")
