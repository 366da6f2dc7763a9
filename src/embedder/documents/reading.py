"""Which files are read, and by what."""

from collections.abc import Iterator
from pathlib import Path

from embedder.documents.document import Document, Reader, UnreadableError
from embedder.documents.docx import read_docx
from embedder.documents.html import read_html
from embedder.documents.json_lines import read_json_lines
from embedder.documents.markdown import read_markdown
from embedder.documents.pdf import read_pdf
from embedder.documents.plain import read_text

_READERS: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
    ".text": read_text,
    ".html": read_html,
    ".htm": read_html,
    ".xhtml": read_html,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".pdf": read_pdf,
    ".docx": read_docx,
}
ENDINGS = tuple(_READERS)
"""Of the files that are read."""


def documents_of(path: Path) -> Iterator[Document]:
    """The documents of a file; some of its rows may have no text.

    Raises:
        UnreadableError: It cannot be read, or holds no text at all.
        MissingExtraError: The package that reads it is not installed.
    """
    has_text = False
    for document in _READERS[path.suffix.lower()](path):
        has_text = has_text or bool(document.text.strip())
        yield document
    if not has_text:
        raise UnreadableError("no text in it")
