"""Which files are read, and how: plain text, Markdown, HTML and DOCX by way of HTML, JSON Lines, PDF."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import yaml
from markdown_it import MarkdownIt

from embedder.data.jsonl import JsonLines
from embedder.documents.decode import decoded
from embedder.documents.document import Document, UnreadableError, whole
from embedder.documents.markup import document_of
from embedder.documents.pdf import read_pdf
from embedder.errors import DataError, MissingExtraError, extra, lacks_memory

Reader = Callable[[Path], Iterator[Document]]
"""The documents of a file; raises UnreadableError where it holds nothing that can be read."""
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<fields>.*?)^(?:---|\.\.\.)[ \t]*\n", re.DOTALL | re.MULTILINE)
_TEXTS = ("text", "content", "contents", "body")
_IDS = ("id", "_id", "doc_id")
# The title of a DOCX document stands above its headings, which mammoth would put beside it.
_STYLES = "\n".join(
    ["p[style-name='Title'] => h1:fresh"]
    + [f"p[style-name='Heading {level}'] => h{min(level + 1, 6)}:fresh" for level in range(1, 7)]
)


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


def _plain(path: Path) -> Iterator[Document]:
    """The file as one document without headings; positions are those of the file."""
    text, guessed = decoded(path.read_bytes())
    yield whole(text, guessed=guessed)


def _markdown(path: Path) -> Iterator[Document]:
    """CommonMark with tables, as its page shows it; of front matter only the title is read."""
    (text, guessed), title = decoded(path.read_bytes()), ""
    if front := _FRONT_MATTER.match(text):
        text, title = text[front.end() :], _front_title(front["fields"])
    page = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    yield replace(document_of(page, title), guessed=guessed)


def _front_title(front_matter: str) -> str:
    try:
        fields = yaml.safe_load(front_matter)
    except yaml.YAMLError:
        return ""
    return str(fields.get("title") or "") if isinstance(fields, dict) else ""


def _html(path: Path) -> Iterator[Document]:
    """What the page shows, in the encoding that it names; of a page with a main part, that part."""
    content = path.read_bytes()
    declared = _CHARSET.search(content[:4096])
    page, guessed = decoded(content, declared[1].decode() if declared else "")
    yield replace(document_of(page), guessed=guessed)


def _docx(path: Path) -> Iterator[Document]:
    """What mammoth makes HTML of, lists, tables and notes too; no pictures, comments, nor what was deleted."""
    try:
        import mammoth
    except ImportError as error:
        raise MissingExtraError("mammoth", extra("documents"), f"reading {path.name}") from error
    content = BytesIO(path.read_bytes())
    try:
        page = mammoth.convert_to_html(content, style_map=_STYLES, convert_image=lambda image: [])
    except Exception as error:  # whatever a damaged archive or XML raises in it
        if lacks_memory(error):
            raise
        raise UnreadableError(f"no whole DOCX file, or encrypted ({type(error).__name__}: {error})") from error
    yield document_of(page.value)


def _json_lines(path: Path) -> Iterator[Document]:
    """Each row, if the first one has a text; a malformed later row is a DataError."""
    try:
        rows = JsonLines(path)
        field = next((name for name in _TEXTS if isinstance(rows[0].get(name), str)), None)
    except DataError as error:
        raise UnreadableError(str(error)) from error
    if field is None:
        raise UnreadableError(f"no field {' or '.join(map(repr, _TEXTS))} with a text in its first row")
    for row in rows.rows():
        title = row.text("title", default="")
        doc_id = next((row.label(name) for name in _IDS if name in row), "")
        yield whole(row.text(field, default="").strip("\n") or title, title, doc_id, row.line)


_READERS: dict[str, Reader] = {
    **dict.fromkeys((".md", ".markdown"), _markdown),
    **dict.fromkeys((".txt", ".text"), _plain),
    **dict.fromkeys((".html", ".htm", ".xhtml"), _html),
    **dict.fromkeys((".jsonl", ".ndjson"), _json_lines),
    ".pdf": read_pdf,
    ".docx": _docx,
}
ENDINGS = tuple(_READERS)
"""Of the files that are read."""
