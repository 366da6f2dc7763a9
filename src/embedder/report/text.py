"""Text from data, made fit for a page: nothing in it may hide, reorder or flood what stands beside it."""

import re

_CONTROLS = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"}  # as pictures of controls
_CONTROLS |= {0x7F: "\N{SYMBOL FOR DELETE}"}
_REORDERING = {code: f"⟨U+{code:04X}⟩" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_BROKEN = re.compile("[\x80-\x9f\ud800-\udfff\ufffe\uffff]")
MAX_CHARACTERS = 1200


def visible(text: str, limit: int = MAX_CHARACTERS) -> str:
    """A text that shows what it holds.

    Control characters become their pictures (NUL is dropped by browsers, so that two texts would look the same), marks
    that reorder other text are spelled out, half characters, which UTF-8 cannot hold, become U+FFFD, and what is too
    long is cut, with its length. Escaping is the template's work.

    Args:
        text: Anything.
        limit: Characters that stay.
    """
    rest = len(text) - limit
    cut = text[:limit].replace("\r\n", "\n").translate(_CONTROLS | _REORDERING)
    cut = _BROKEN.sub("\N{REPLACEMENT CHARACTER}", cut)
    return cut if rest <= 0 else f"{cut} … ({rest:,} more characters)"
