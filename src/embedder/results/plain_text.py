"""Text from data in Markdown: nothing in it may format what stands beside it."""

import re

from embedder.shown import shown_lines

# `_` inside a word and a `<` or `&` that begins nothing are left as they are, for tables are read as they are too.
_MARKS = re.compile(r"([\\`*~\[\]>|]|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?])|&(?=#?\w+;))")
_AT_START = re.compile(r"^(\d*)([#+=.)-])")  # of a heading, a list or a line below a heading

_WORDS = 40  # of a text
_LETTERS = 60  # of a word
_CELL = 120  # characters


def markdown_line(text: str, words: int = _WORDS) -> str:
    """One line of a paragraph that Markdown shows as it is: white space squeezed, marks escaped, what is too long cut.

    Args:
        text: Anything.
        words: How many stay; of a single word, so many letters or 60.
    """
    split = shown_lines(" ".join(text.split()), len(text)).split()
    cut = [word if len(word) <= max(_LETTERS, words) else f"{word[:_LETTERS]}..." for word in split[:words]]
    return _AT_START.sub(r"\1\\\2", _escaped(" ".join(cut))) + (" ..." if len(split) > words else "")


def markdown_cell(text: str) -> str:
    """A cell of a table, or a part of a heading, that Markdown shows as it is: on one line, not too wide."""
    return _escaped(shown_lines(text, _CELL).replace("\n", " ").replace("\t", " "))


def _escaped(text: str) -> str:
    return _MARKS.sub(r"\\\1", text)
