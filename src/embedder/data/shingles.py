"""How much of their wording two texts share, for finding near duplicates: Jaccard over runs of words."""

from collections.abc import Set

from embedder.texts import normal_form, words

_WORDS = 3  # of a shingle: two words are common to texts of one subject, five let a changed word count for five


def shingles(text: str, n: int = _WORDS) -> frozenset[str]:
    """All runs of `n` words of the text's normal form; a shorter text is one run, an empty one has none.

    Letter case and punctuation count, since they may be all that tells two short keys apart (`2 + 3`, `2 - 3`). Each
    letter of a script without spaces between words counts as a word.

    >>> sorted(shingles("The red car.  The red bus"))
    ['The red bus', 'The red car.', 'car. The red', 'red car. The']
    """
    parts = words(normal_form(text))
    if not parts:
        return frozenset()
    return frozenset(" ".join(parts[start : start + n]) for start in range(max(1, len(parts) - n + 1)))


def jaccard(one: Set[str], other: Set[str]) -> float:
    """Shared members as a share of all members, from 0 to 1; 0 where both are empty.

    >>> jaccard({"a", "b", "c"}, {"b", "c", "d"})
    0.5
    """
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0
