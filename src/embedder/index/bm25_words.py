"""What a word is to BM25: a run of letters, or a pair of letters where a run would be more than a word."""

import re
from itertools import pairwise

from embedder.texts import is_unspaced, letters, normal_form, runs

_WORD = re.compile(r"\w\w+")
_KOREAN = re.compile("[\uac00-\ud7a3]")  # syllables, which is how the normal form writes them


def bm25_words(text: str, tokens: str = "auto", *, is_query: bool) -> list[str]:
    """The text in lower case, cut into words.

    A letter that stands alone between other scripts would be in no pair, so texts have single letters beside the
    pairs; queries have them only where there is no pair.

    >>> bm25_words("Oru in 東京都", is_query=True)
    ['oru', 'in', '東京', '京都']
    >>> bm25_words("Oru in 東京都", is_query=False)
    ['oru', 'in', '東', '京', '都', '東京', '京都']
    >>> bm25_words("Oru in 東京都", "words", is_query=True)
    ['oru', 'in', '東京都']

    Args:
        text: A query, or a text to be found.
        tokens: See `BM25Settings`.
        is_query: Which of the two it is.
    """
    text = normal_form(text).lower()
    if text.isascii() and tokens != "pairs":
        return _WORD.findall(text)
    found = []
    for run in runs(text):
        is_cut = tokens == "pairs" or (tokens == "auto" and has_pairs(run))
        if not is_cut:
            found += [run] if len(run) > 1 else []
            continue
        singles = letters(run) if is_unspaced(run) else list(run)
        pairs = ["".join(pair) for pair in pairwise(singles)]
        found += pairs if is_query and pairs else singles + pairs
    return found


def has_pairs(text: str) -> bool:
    """Whether words of the text are found by pairs of letters: they are not parted, or they end in particles."""
    return not text.isascii() and (is_unspaced(text) or _KOREAN.search(text) is not None)
