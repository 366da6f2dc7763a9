"""When two texts are the same, and what a word is: for all code that compares, cuts or measures text."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache


def normal_form(text: str) -> str:
    r"""The text up to Unicode form (NFKC) and white space; letter case stays, since it can tell keys apart.

    >>> normal_form("The  ﬁrst\u00a0line\n")
    'The first line'
    """
    # Most texts are in this form already. All white space but the blank is not printable.
    if unicodedata.is_normalized("NFKC", text) and text.isprintable() and "  " not in text:
        return text.strip(" ")
    return " ".join(unicodedata.normalize("NFKC", text).split())


def question_form(text: str) -> str:
    """`normal_form` without letter case: two questions that differ by case alone ask the same."""
    return normal_form(normal_form(text).casefold())


def text_hash(text: str) -> int:
    """The same for texts of one normal form; it fits an int64 and is never 0, which stands for no text."""
    return _hash(normal_form(text))


def question_hash(text: str) -> int:
    """The same for texts of one question form; fits an int64, never 0."""
    return _hash(question_form(text))


def _hash(form: str) -> int:
    # A lone surrogate, which readers of data refuse, has no UTF-8.
    digest = hashlib.blake2b(form.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


# Blocks of scripts that put no spaces between words. Tibetan parts its syllables by a mark of its own.
_EAST = (
    *((0x3005, 0x3007), (0x3021, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
    *((0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x1AFF0, 0x1B16F), (0x20000, 0x323AF)),
)
"""Chinese and Japanese."""
_SOUTH = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19DF), (0x1A20, 0x1AAF), (0xA980, 0xA9FF)),
    (0xAA60, 0xAADF),
)
"""Thai, Lao, Burmese, Khmer and their neighbours."""
_RARE = ((0x10000, 0x16FFF), (0x1E000, 0x1EFFF))
"""Scripts outside of the first 65,536 characters, taken whole: a pattern looks each range up in turn."""


def is_unspaced(text: str) -> bool:
    """Whether a part of the text is in a script without spaces between words, such as Chinese, Japanese or Thai."""
    return not text.isascii() and _patterns().letter.search(text) is not None


def letters_spaced(text: str) -> str:
    """The text with blanks around each letter of a script without spaces, so that splitting at white space finds words.

    >>> letters_spaced("in 東京1964")
    'in  東  京 1964'
    """
    return text if text.isascii() else _patterns().letter.sub(r" \g<0> ", text)


def words(text: str) -> list[str]:
    """What stands between white space; of scripts without spaces between words each letter, as measures of these count.

    >>> words("in 東京, 1964")
    ['in', '東', '京', ',', '1964']
    """
    return letters_spaced(text).split()


def runs(text: str) -> list[str]:
    """Runs of letters, digits, marks and underlines; those of scripts without spaces are runs of their own.

    >>> runs("It's 東京1964!")
    ['It', 's', '東京', '1964']
    """
    is_plain = text.isascii() or not _patterns().special.search(text)
    return (_PLAIN if is_plain else _patterns().run).findall(text)


def letters(run: str) -> list[str]:
    """The letters of a run of a script without spaces, each with its marks; of other scripts the run is one."""
    return _patterns().letter.findall(run) or [run]


def stretches(text: str) -> list[str]:
    """The text cut into pieces of about a word, each with the white space before it; what ends it is dropped.

    For lengths alone: where there are no spaces between words, a piece is two letters of Chinese or three of Thai,
    which is about what a word of English says, wherever words end.
    """
    return (_patterns().stretch if is_unspaced(text) else _SPACED).findall(text)


_SPACED, _PLAIN = re.compile(r"\s*\S+"), re.compile(r"\w+")


@dataclass(frozen=True)
class _Patterns:
    letter: re.Pattern[str]
    """A letter of a script without spaces, with its marks."""
    special: re.Pattern[str]
    """What no pattern of Python's own knows: such a letter, or a mark."""
    run: re.Pattern[str]
    stretch: re.Pattern[str]


@cache
def _patterns() -> _Patterns:
    """Made at the first use: what is a letter, a digit or a mark is looked up for each character."""

    def codes(blocks: Iterable[tuple[int, int]], categories: str) -> set[int]:
        all_codes = (code for first, last in blocks for code in range(first, last + 1))
        return {code for code in all_codes if unicodedata.category(chr(code))[0] in categories}

    east, south = codes(_EAST, "LN"), codes(_SOUTH, "L")
    marks = codes([(0x300, 0xFFFF), (0xE0100, 0xE01EF)], "M")
    others = codes([(0, 0xFFFF)], "LNM") - east - south
    others |= {code for first, last in _RARE for code in range(first, last + 1)}
    unspaced = _ranges(east | south)
    any_marks = f"[{_ranges(marks)}]*"
    letter = f"[{unspaced}]{any_marks}"
    stretches = f"(?:[{_ranges(east)}]{any_marks}){{1,2}}|(?:[{_ranges(south)}]{any_marks}){{1,3}}"
    return _Patterns(
        letter=re.compile(letter),
        special=re.compile(f"[{unspaced}{_ranges(marks)}]"),
        run=re.compile(f"(?:{letter})+|[_{_ranges(others)}]+"),
        stretch=re.compile(rf"\s*(?:{stretches}|[^\s{unspaced}]+)"),
    )


def _ranges(codes: set[int]) -> str:
    """Characters as a class of a pattern has them."""
    ordered = sorted(codes)
    starts = [code for code in ordered if code - 1 not in codes]
    stops = [code for code in ordered if code + 1 not in codes]
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in zip(starts, stops, strict=True))
