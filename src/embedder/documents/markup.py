"""The text of HTML as a reader of the page sees it: headings, paragraphs, items of lists, rows of tables, code."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser

from embedder.documents.document import Document, Writing


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_BLOCKS = _tags(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure"
    " footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol option p pre search section"
    " summary table tbody tfoot thead tr ul"
)
_IN_CELLS = _tags("div p section center")  # blocks that only part the lines of a cell of a table
_LISTS = _tags("menu ol ul")
_VOID = _tags("area base br col embed hr img input link meta source track wbr")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_UNSEEN = _tags(
    "annotation button footer head iframe nav noscript object script search select style svg template textarea"
)
_UNSEEN_ROLES = _tags("contentinfo navigation search")
_PERMALINKS = "\u00b6\u00a7#\uf0c1 "  # what generators of pages put around headings


@dataclass(frozen=True)
class _Element:
    tag: str
    is_unseen: bool
    is_main: bool


class _Markup(HTMLParser):
    """Notes headings and blocks, and whether each is in the main part of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.noted: list[tuple[bool, Callable[[Writing], None]]] = []
        self._open: list[_Element] = []
        self._inline: list[str] = []
        self._items: list[int | None] = []  # of each list around: the number of its next item, None for bullets
        self._rows = self._cells = 0  # of the table and of the row so far
        self._prefix = ""
        self._tight = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._inline.append("\n")
        self._part(tag)
        if tag in _VOID:
            return
        self._open.append(_element(tag, dict(attrs)))
        if tag in _LISTS:
            self._items.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._begin_item()
        elif tag == "table":
            self._rows = 0
        elif tag == "tr":
            self._tight, self._rows, self._cells = self._rows > 0, self._rows + 1, 0
        elif tag in ("td", "th"):
            self._inline = ["".join(self._inline).strip(), " | "] if self._cells else []
            self._cells += 1

    def handle_endtag(self, tag: str) -> None:
        if not self._is_in(tag):
            return
        if tag in _HEADINGS:
            self._end_heading(_HEADINGS[tag])
        else:
            self._part(tag)
        while self._open.pop().tag != tag:
            pass
        if tag in _LISTS and self._items:
            self._items.pop()
        elif tag == "li":
            self._prefix = ""

    def handle_data(self, data: str) -> None:
        if self._is_in("title") and not self._is_in("svg"):
            self.title += data
        elif not any(element.is_unseen for element in self._open):
            self._inline.append(data if self._is_in("pre") else re.sub(r"\s+", " ", data))

    def close(self) -> None:
        super().close()
        self._end_block()

    def _is_in(self, tag: str) -> bool:
        return any(element.tag == tag for element in self._open)

    def _part(self, tag: str) -> None:
        """At the start or the end of a tag that parts texts."""
        if tag in _IN_CELLS and (self._is_in("td") or self._is_in("th")):
            if self._inline and self._inline[-1].strip(" |\n"):
                self._inline.append("\n")
        elif tag in _BLOCKS:
            self._end_block()

    def _begin_item(self) -> None:
        depth = max(len(self._items) - 1, 0)
        number = self._items[-1] if self._items else None
        self._prefix = "  " * depth + ("- " if number is None else f"{number}. ")
        self._tight = True
        if number is not None:
            self._items[-1] = number + 1

    def _end_heading(self, level: int) -> None:
        text = " ".join("".join(self._inline).split()).rstrip(_PERMALINKS).lstrip("\u00a7")
        self._inline = []
        self._note(lambda writing: writing.heading(level, text))

    def _end_block(self) -> None:
        text = "".join(self._inline)
        self._inline = []
        text = text.strip("\n").rstrip() if self._is_in("pre") else re.sub(r"\s*\n\s*", "\n", text).strip()
        if text:
            text, tight = self._prefix + text, self._tight
            self._note(lambda writing: writing.block(text, tight=tight))
            self._prefix, self._tight = "", False

    def _note(self, write: Callable[[Writing], None]) -> None:
        self.noted.append((any(element.is_main for element in self._open), write))


def _element(tag: str, attributes: dict[str, str | None]) -> _Element:
    role = attributes.get("role")
    is_hidden = "hidden" in attributes or "headerlink" in (attributes.get("class") or "")
    return _Element(tag, tag in _UNSEEN or role in _UNSEEN_ROLES or is_hidden, tag == "main" or role == "main")


def document_of(markup: str, title: str = "") -> Document:
    """The document that HTML shows: of a page with a main part, that part; no navigation, footers or scripts.

    Args:
        markup: A page or a part of one.
        title: What it is called, if the markup has no title of its own.
    """
    parser = _Markup()
    parser.feed(markup)
    parser.close()
    has_main = any(is_main for is_main, _ in parser.noted)
    writing = Writing()
    for is_main, write in parser.noted:
        if is_main or not has_main:
            write(writing)
    return writing.document(" ".join(parser.title.split()) or title)
