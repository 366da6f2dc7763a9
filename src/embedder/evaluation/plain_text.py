"""Text from data, made fit to be shown: nothing in it may hide, reorder or format what stands beside it."""

import re

_CONTROLS = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"}  # as pictures of controls
_CONTROLS |= {0x7F: "\N{SYMBOL FOR DELETE}"}
_REORDERING = {code: f"⟨U+{code:04X}⟩" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_BROKEN = re.compile("[\x80-\x9f\ud800-\udfff\ufffe\uffff]")

_MARKS = re.compile(r"([\\`*_~\[\]<>|&])")
_AT_START = re.compile(r"^(\d*)([#+=.)-])")  # of a heading, a list or a line below a heading

_WORDS = 40  # of a text
_LETTERS = 60  # of a word


def controls_shown(text: str) -> str:
    """A text whose control characters are their pictures and whose marks that reorder other text are spelled out.

    NUL would be dropped by browsers, so that two texts would look the same; terminals obey others. Half characters,
    which UTF-8 cannot hold, become U+FFFD. Tabs and line breaks stay.
    """
    shown = text.replace("\r\n", "\n").translate(_CONTROLS | _REORDERING)
    return _BROKEN.sub("\N{REPLACEMENT CHARACTER}", shown)


def markdown_line(text: str, words: int = _WORDS) -> str:
    """One line of a paragraph that Markdown shows as it is: white space squeezed, marks escaped, what is too long cut.

    Args:
        text: Anything.
        words: How many stay; of a single word, so many letters or 60.
    """
    split = controls_shown(" ".join(text.split())).split()
    cut = [word if len(word) <= max(_LETTERS, words) else f"{word[:_LETTERS]}..." for word in split[:words]]
    escaped = _MARKS.sub(r"\\\1", " ".join(cut))
    return _AT_START.sub(r"\1\\\2", escaped) + (" ..." if len(split) > words else "")
