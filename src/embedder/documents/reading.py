"""Which files are read, and by what."""

from collections.abc import Iterator
from pathlib import Path

from embedder.documents.document import Document, Reader, UnreadableError
from embedder.documents.markdown import read_markdown
from embedder.documents.plain import read_text

_READERS: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
    ".text": read_text,
}
ENDINGS = tuple(_READERS)
"""Of the files that are read."""


def documents_of(path: Path) -> Iterator[Document]:
    """The documents of a file.

    Raises:
        UnreadableError: It cannot be read, or holds no text.
    """
    n_documents = 0
    for document in _READERS[path.suffix.lower()](path):
        if document.text.strip():
            n_documents += 1
            yield document
    if not n_documents:
        raise UnreadableError("no text in it")
