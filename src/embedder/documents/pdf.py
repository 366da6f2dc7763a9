"""Reads PDF: its lines joined to paragraphs, below the headings of its outline, page by page."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.documents.document import Document, UnreadableError, Writing
from embedder.errors import MissingExtraError, extra
from embedder.texts import question_form

_FULL = 0.75  # of the longest line of a page: a shorter line ends a paragraph
_REPEATED = 3  # pages that begin or end with one line, up to the number of the page: it is no part of the text
_EDGE = 2  # lines of a page that are looked at for this, at either end
_LEADERS = re.compile(r"(?:\s*\.){4,}")  # the dots between a title and its page in a table of contents
_NUMBERING = re.compile(r"^(?:[A-Z]?[\d.]+|[ivx]+\.|chapter \d+:?)\s+", re.IGNORECASE)


def read_pdf(path: Path) -> Iterator[Document]:
    """The text of all pages; `Document.missing` names pages that are pictures alone."""
    try:
        import pypdfium2
    except ImportError as error:
        raise MissingExtraError("pypdfium2", extra("documents"), f"reading {path.name}") from error
    try:
        with pypdfium2.PdfDocument(path) as pdf:
            pages = [_page(pdf, number) for number in range(len(pdf))]
            headings = _outline(pdf)
    except pypdfium2.PdfiumError as error:
        what = "encrypted with a password" if "password" in str(error).lower() else f"damaged: {error}"
        raise UnreadableError(what) from error
    pictures = [number for number, page in enumerate(pages, 1) if page.is_picture]
    if pictures and not any(page.lines for page in pages):
        raise UnreadableError("scanned: its pages are pictures without text, which OCR has to add first")
    which = ", ".join(map(str, pictures))
    yield _written(_without_edges(pages), headings, f"text of its scanned pages ({which})" if pictures else "")


@dataclass
class _Page:
    lines: list[str]
    is_picture: bool


def _page(pdf: Any, number: int) -> _Page:
    from pypdfium2 import raw

    page = pdf[number]
    text = page.get_textpage().get_text_range().replace("\ufffe", "").replace("\0", "")  # the first: a hyphenated word
    lines = [line.strip() for line in _LEADERS.sub(" \u2026", text).splitlines() if line.strip()]
    is_picture = not lines and any(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE]))
    page.close()
    return _Page(lines, is_picture)


def _outline(pdf: Any) -> dict[int, list[tuple[int, str]]]:
    """By page: level and title of each entry of the outline."""
    entries: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for entry in pdf.get_toc():
        target, title = entry.get_dest(), " ".join(entry.get_title().split())
        if target is not None and target.get_index() is not None and title:
            entries[target.get_index()].append((entry.level + 1, title))
    return entries


def _without_edges(pages: Sequence[_Page]) -> list[list[str]]:
    """The lines of each page without running heads and feet."""
    counts: Counter[tuple[str, int]] = Counter()
    for number, page in enumerate(pages):
        edges = {*page.lines[:_EDGE], *page.lines[-_EDGE:]}
        counts.update({form for line in edges for form in _forms(line, number)})
    kept = []
    for number, page in enumerate(pages):
        lines = list(page.lines)
        for end in (0, -1):
            for _ in range(_EDGE):
                if lines and any(counts[form] >= _REPEATED for form in _forms(lines[end], number)):
                    lines.pop(end)
        kept.append(lines)
    return kept


def _forms(line: str, number: int) -> list[tuple[str, int]]:
    """The line, and what is left without one of its numbers, with the distance of that number from the page's own."""
    numbers = [match for match in re.finditer(r"\d+", line) if len(match[0]) < 7]
    return [(line, 0)] + [
        (f"{line[: match.start()]}\0{line[match.end() :]}", int(match[0]) - number) for match in numbers
    ]


def _written(pages: Sequence[list[str]], headings: dict[int, list[tuple[int, str]]], missing: str) -> Document:
    writing = Writing()
    goes_on = False  # the last paragraph of the page before may continue
    for number, lines in enumerate(pages):
        writing.page()
        wanted = list(headings.get(number, ()))
        longest = max(map(len, lines), default=0)
        for level, title in _not_found(wanted, lines):
            writing.heading(level, title)
            goes_on = False
        paragraph: list[str] = []
        for line in lines:
            found = next((entry for entry in wanted if _is_title(line, entry[1])), None)
            if found is None:
                paragraph.append(line)
                if len(line) >= _FULL * longest:
                    continue
            writing.block(" ".join(paragraph), tight=goes_on)
            paragraph, goes_on = [], True
            if found is not None:
                wanted.remove(found)
                writing.heading(*found)
                goes_on = False
        writing.block(" ".join(paragraph), tight=goes_on)
        goes_on = True
    return writing.document(missing=missing)


def _not_found(wanted: list[tuple[int, str]], lines: Sequence[str]) -> list[tuple[int, str]]:
    """Headings of which no line of the page is the title: they stand at its top. They are taken out of `wanted`."""
    lost = [entry for entry in wanted if not any(_is_title(line, entry[1]) for line in lines)]
    wanted[:] = [entry for entry in wanted if entry not in lost]
    return lost


def _is_title(line: str, title: str) -> bool:
    return question_form(_NUMBERING.sub("", line)) == question_form(_NUMBERING.sub("", title))
