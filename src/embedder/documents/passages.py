"""Cuts a document into passages: by its headings, then between sentences, with some sentences in two passages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest

from sentencex import get_sentence_boundaries

from embedder.bounds import NonNegativeInt, PositiveInt
from embedder.checks import checked
from embedder.documents.document import Document
from embedder.texts import stretches

Span = tuple[int, int]
"""Where a part of a text begins and ends, in characters."""
_WINDOW = 1 << 18  # characters whose sentences are looked for at once


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document."""

    headings: tuple[str, ...]
    """The headings that it stands below."""
    start: int
    """Characters of the document before it."""
    end: int


@checked("source.cutting")
@dataclass(frozen=True)
class Cutting:
    """Where passages begin and end.

    No passage reaches over the end of a section, but sections of a few words are put together. Sentences stay whole if
    they are not longer than a passage; longer ones are cut between lines or else between words. What is left at the end
    of a section is shared evenly by its last two passages.

    Args:
        words: Of a passage, at most, as `embedder.texts.stretches` counts them: of scripts without spaces two letters
            of Chinese or three of Thai are one word.
        overlap: Sentences at the end of a passage that the next one begins with, as far as they fit.
        min_words: A section with fewer words joins the section before or after it, if both have a heading in common.
        language: ISO code of the language, whose abbreviations end no sentence.
    """

    words: PositiveInt = 120
    overlap: NonNegativeInt = 1
    min_words: NonNegativeInt = 20
    language: str = "en"

    def passages(self, document: Document) -> Iterator[Passage]:
        """The passages of a document in their order."""
        for group in self._groups(document):
            first = group[0]
            if len(group) == 1 and document.text[first.body : first.end].strip():
                for start, end in self._cut(document.text, first.body, first.end):
                    yield Passage(first.headings, start, end)
                continue
            headings = _shared([part.headings for part in group])
            start = first.start(len(headings)) if len(group) > 1 else first.own_start
            start, end = _stripped(document.text, start, group[-1].end)
            if start < end:
                yield Passage(headings, start, end)

    def _groups(self, document: Document) -> Iterator[list["_Part"]]:
        """Parts that make passages together: one, or several small ones."""
        group: list[_Part] = []
        for part in _parts(document):
            if group and not self._belong_together(document.text, group, part):
                yield group
                group = []
            group.append(part)
        if group:
            yield group

    def _belong_together(self, text: str, group: Sequence["_Part"], part: "_Part") -> bool:
        size, size_of_next = self._size(text, group[0].start(), group[-1].end), self._size(text, part.start(), part.end)
        is_small = min(size, size_of_next) < self.min_words and size + size_of_next <= self.words
        return is_small and bool(_shared([*(one.headings for one in group), part.headings]))

    def _size(self, text: str, start: int, end: int) -> int:
        return len(stretches(text[start:end]))

    def _cut(self, text: str, start: int, end: int) -> Iterator[Span]:
        """The passages of one section."""
        units = list(self._units(text, start, end))
        sizes = [len(stretches(text[slice(*unit)])) for unit in units]
        left = sum(sizes)  # words from `new` on
        first = new = 0  # the first sentence of the passage, and the first that no passage has had
        while new < len(units):
            repeated = sum(sizes[first:new])
            rest = repeated + left
            enough = -(-rest // 2) if self.words < rest < 2 * self.words else self.words
            size, stop = repeated + sizes[new], new + 1
            while stop < len(units) and size < enough and size + sizes[stop] <= self.words:
                size += sizes[stop]
                stop += 1
            yield units[first][0], units[stop - 1][1]
            left -= sum(sizes[new:stop])
            following, new = first, stop
            first = max(new - self.overlap, following + 1)
            while first < new < len(units) and sum(sizes[first : new + 1]) > self.words:
                first += 1

    def _sentences(self, text: str, start: int, end: int) -> Iterator[Span]:
        for first, last in _windows(text, start, end):
            for found in get_sentence_boundaries(self.language, text[first:last]):
                if found["text"].strip():
                    yield _stripped(text, first + found["start_index"], first + found["end_index"])

    def _units(self, text: str, start: int, end: int) -> Iterator[Span]:
        """Sentences without the white space around them; a longer one than a passage in lines, or in runs of words."""
        for sentence in self._sentences(text, start, end):
            if self._size(text, *sentence) <= self.words:
                yield sentence
                continue
            for line in _spans(text[slice(*sentence)].splitlines(keepends=True), sentence[0], text):
                pieces = stretches(text[slice(*line)])
                yield from _spans(
                    ["".join(pieces[at : at + self.words]) for at in range(0, len(pieces), self.words)], line[0], text
                )


def _windows(text: str, start: int, end: int) -> Iterator[Span]:
    """Stretches of whole paragraphs, so that little memory is needed for the sentences of a long text."""
    while start < end:
        stop = text.find("\n\n", start + _WINDOW, end)
        stop = end if stop < 0 else stop
        yield start, stop
        start = stop


@dataclass(frozen=True, slots=True)
class _Part:
    """A section with the headings right above its own that have no text of their own."""

    headings: tuple[str, ...]
    starts: tuple[tuple[int, int], ...]
    """Of these headings and its own: the level, from 1, and where the heading begins."""
    body: int
    end: int

    @property
    def own_start(self) -> int:
        return self.starts[-1][1]

    def start(self, level: int = 0) -> int:
        """Where the first heading of a deeper level begins, or else the text."""
        return next((start for own_level, start in self.starts if own_level > level), self.body)


def _parts(document: Document) -> Iterator[_Part]:
    starts: tuple[tuple[int, int], ...] = ()
    for section, following in zip_longest(document.sections, document.sections[1:]):
        starts = (*starts, (len(section.headings), section.start))
        is_above = following is not None and following.headings[:-1][: len(section.headings)] == section.headings
        if not is_above or document.text[section.body : section.end].strip():
            yield _Part(section.headings, starts, section.body, section.end)
            starts = ()


def _shared(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The headings that all paths begin with."""
    return tuple(level[0] for level in takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False)))


def _spans(parts: Sequence[str], start: int, text: str) -> Iterator[Span]:
    """Where parts that follow each other lie in the text, without blank parts and the white space around each."""
    for part in parts:
        if part.strip():
            yield _stripped(text, start, start + len(part))
        start += len(part)


def _stripped(text: str, start: int, end: int) -> Span:
    part = text[start:end]
    return end - len(part.lstrip()), start + len(part.rstrip())
