"""A document as it was read: its text, where its sections and pages begin, and how a reader writes it down."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Section:
    """The text below one heading, up to the next heading. Positions are characters of the text of the document."""

    headings: tuple[str, ...]
    """From the outermost to its own; empty for what stands before the first heading."""
    start: int
    """Where its heading begins."""
    body: int
    """Where the text below the heading begins."""
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """One document: a file, or a row of a JSON Lines file."""

    text: str
    sections: tuple[Section, ...]
    """They follow each other without gaps, so that no text lies outside of them."""
    title: str = ""
    """What it calls itself; empty if it does not say."""
    pages: tuple[int, ...] = ()
    """Where each page begins; empty for documents without pages."""
    id: str = ""
    """Of a row: what its file calls it."""
    line: int | None = None
    """Of a row: its line."""
    missing: str = ""
    """What of it could not be read, in words."""
    guessed: str = ""
    """The encoding, if nothing said which it is."""


class UnreadableError(Exception):
    """A file of a known ending that cannot be read; the message says why, and the folder's reader names the file."""


def whole(text: str, title: str = "", doc_id: str = "", line: int | None = None, guessed: str = "") -> Document:
    """A document without headings."""
    return Document(text, (Section((), 0, 0, len(text)),), title, id=doc_id, line=line, guessed=guessed)


@dataclass
class Writing:
    """Collects headings, blocks and pages, in their order, into a document."""

    _parts: list[str] = field(default_factory=list)
    _length: int = 0
    _path: list[tuple[int, str]] = field(default_factory=list)
    _starts: list[tuple[tuple[str, ...], int, int]] = field(default_factory=lambda: [((), 0, 0)])
    _pages: list[int] = field(default_factory=list)

    def heading(self, level: int, text: str) -> None:
        """Begin a section.

        Args:
            level: 1 for the outermost; a heading ends all sections of its own and of deeper levels.
            text: One line.
        """
        if not text:
            return
        self._path = [(other, title) for other, title in self._path if other < level] + [(level, text)]
        start = self._add(text, "\n\n")
        self._starts.append((tuple(title for _, title in self._path), start, self._length))

    def block(self, text: str, *, tight: bool = False) -> None:
        """Add a paragraph, or with `tight` a line that belongs to the one before it, such as an item of a list."""
        if text.strip():
            self._add(text, "\n" if tight else "\n\n")

    def page(self) -> None:
        """What follows stands on the next page."""
        self._pages.append(self._length)

    def document(self, title: str = "", missing: str = "") -> Document:
        """What was written."""
        ends = [start for _, start, _ in self._starts[1:]] + [self._length]
        sections = tuple(
            Section(path, start, body, end)
            for (path, start, body), end in zip(self._starts, ends, strict=True)
            if path or end > start
        )
        return Document("".join(self._parts), sections, title, tuple(self._pages), missing=missing)

    def _add(self, text: str, gap: str) -> int:
        """Where the text begins."""
        before = gap if self._length else ""
        self._parts += [before, text]
        self._length += len(before) + len(text)
        return self._length - len(text)
