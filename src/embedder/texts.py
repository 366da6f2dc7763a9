"""When two texts are one, decided here for all: records, candidates, batches, validation, splits, prompts."""

import hashlib
import unicodedata


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
