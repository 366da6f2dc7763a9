"""Reads DOCX: what mammoth makes HTML of, which includes lists, tables, notes and what was inserted."""

from collections.abc import Iterator
from pathlib import Path

from embedder.documents.document import Document, UnreadableError
from embedder.documents.markup import document_of
from embedder.errors import MissingExtraError, extra

# The title of a document stands above its headings, which mammoth would put beside it.
_STYLES = "\n".join(
    ["p[style-name='Title'] => h1:fresh"]
    + [f"p[style-name='Heading {level}'] => h{min(level + 1, 6)}:fresh" for level in range(1, 7)]
)


def read_docx(path: Path) -> Iterator[Document]:
    """The document without its pictures, comments and what was deleted with changes tracked."""
    try:
        import mammoth
    except ImportError as error:
        raise MissingExtraError("mammoth", extra("documents"), f"reading {path.name}") from error
    try:
        with path.open("rb") as file:
            page = mammoth.convert_to_html(file, style_map=_STYLES, convert_image=lambda image: [])
    except OSError:
        raise
    except Exception as error:  # whatever a damaged archive or XML raises in it
        raise UnreadableError(f"no whole DOCX file, or encrypted ({type(error).__name__}: {error})") from error
    yield document_of(page.value)
