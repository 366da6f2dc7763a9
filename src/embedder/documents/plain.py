"""Reads plain text."""

from collections.abc import Iterator
from pathlib import Path

from embedder.documents.decode import text_of
from embedder.documents.document import Document, whole


def read_text(path: Path) -> Iterator[Document]:
    """The file as one document without headings; positions are those of the file."""
    text, guessed = text_of(path)
    yield whole(text, guessed=guessed)
