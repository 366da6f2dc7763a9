"""When two texts are one, decided here for all: records, candidates, batches, validation, splits, prompts."""

import unicodedata


def normal_form(text: str) -> str:
    r"""The text up to Unicode form (NFKC) and white space; letter case stays, since it can tell keys apart.

    >>> normal_form("The  ﬁrst\u00a0line\n")
    'The first line'
    """
    return " ".join(unicodedata.normalize("NFKC", text).split())


def question_form(text: str) -> str:
    """`normal_form` without letter case: two questions that differ by case alone ask the same."""
    return normal_form(normal_form(text).casefold())
