"""The text of HTML as a reader of the page sees it: headings, paragraphs, items of lists, rows of tables, code."""

import re
from html.parser import HTMLParser

from embedder.documents.document import Document, Writing


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_BLOCKS = _tags(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure"
    " footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol option p pre search section"
    " summary table tbody tfoot thead tr ul"
)
_VOID = _tags("area base br col embed hr img input link meta source track wbr")
_UNSEEN = _tags("button head iframe math nav noscript object script select style svg template textarea")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


class _Markup(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.writing = Writing()
        self.title = ""
        self._open: list[str] = []
        self._inline: list[str] = []
        self._items: list[int | None] = []  # of each list around: the number of its next item, None for bullets
        self._prefix = ""
        self._tight = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._inline.append("\n")
        if tag in _BLOCKS:
            self._end_block()
        if tag in _VOID:
            return
        self._open.append(tag)
        if tag in ("ul", "ol", "menu"):
            self._items.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._begin_item()
        elif tag in ("td", "th"):
            if self._inline and "".join(self._inline).strip():
                self._inline.append(" | ")
        elif tag == "tr":
            self._tight = True

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._open:
            return
        if tag in _HEADINGS:
            self._end_heading(_HEADINGS[tag])
        elif tag in _BLOCKS:
            self._end_block()
        while self._open.pop() != tag:
            pass
        if tag in ("ul", "ol", "menu") and self._items:
            self._items.pop()

    def handle_data(self, data: str) -> None:
        if "title" in self._open and "svg" not in self._open:
            self.title += data
        elif not _UNSEEN.intersection(self._open):
            self._inline.append(data if "pre" in self._open else re.sub(r"\s+", " ", data))

    def close(self) -> None:
        super().close()
        self._end_block()

    def _begin_item(self) -> None:
        depth = max(len(self._items) - 1, 0)
        number = self._items[-1] if self._items else None
        self._prefix = "  " * depth + ("- " if number is None else f"{number}. ")
        self._tight = depth > 0 or number not in (None, 1)
        if number is not None:
            self._items[-1] = number + 1

    def _end_heading(self, level: int) -> None:
        text = " ".join("".join(self._inline).split()).rstrip("¶#").strip()
        self._inline = []
        self.writing.heading(level, text)

    def _end_block(self) -> None:
        text = "".join(self._inline)
        self._inline = []
        text = text.strip("\n").rstrip() if "pre" in self._open else re.sub(r" *\n *", "\n", text).strip()
        if text:
            self.writing.block(self._prefix + text, tight=self._tight)
            self._prefix, self._tight = "", False


def document_of(markup: str, title: str = "") -> Document:
    """The document that HTML shows.

    Args:
        markup: A page or a part of one.
        title: What it is called, if the markup has no title of its own.
    """
    parser = _Markup()
    parser.feed(markup)
    parser.close()
    return parser.writing.document(" ".join(parser.title.split()) or title)
