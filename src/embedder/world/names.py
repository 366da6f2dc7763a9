"""Names from syllables: no two regions of the world share one, however large the world is."""

from math import gcd, prod

from embedder.world.phrase_files import phrases
from embedder.world.seeds import seeded

NAMES_PER_REGION = 128


_SYLLABLES = phrases("names")


class NameSupply:
    """The invented words of one region.

    Word `i` of region `r` spells the number `(128 r + i)` after a seeded bijection. A spelling falls into consonant and
    vowel groups in one way only, so different numbers never spell the same word; the numbers beyond the two-syllable
    words spell three syllables.

    Args:
        seed: Of the world.
        region: From 0.
    """

    def __init__(self, seed: int, region: int) -> None:
        self._next = region * NAMES_PER_REGION
        self._end = self._next + NAMES_PER_REGION
        self._bijections = tuple(_bijection(seed, size) for size in _SIZES)

    def word(self) -> str:
        """A word that no other region has, and this one not yet."""
        if self._next == self._end:
            raise ValueError(f"a region has only {NAMES_PER_REGION} names")
        number, self._next = self._next, self._next + 1
        for digits, size, (factor, shift) in zip(_DIGITS, _SIZES, self._bijections, strict=True):
            if number < size:
                return _spell((number * factor + shift) % size, digits)
            number -= size
        raise ValueError("no names are left: the world has too many regions")


def near_word(word: str) -> str:
    """A word one letter away that is easily taken for it, and that no supply ever hands out.

    >>> near_word("Oru"), near_word("Kelvar"), near_word("Hirkei")
    ('Orru', 'Kelvaar', 'Hirkey')
    """
    lower = word.lower()
    for i in range(1, len(lower) - 1):
        is_medial = lower[i] not in "aeiou" and lower[i - 1] in "aeiou" and lower[i + 1] in "aeiou"
        if is_medial:
            return word[:i] + word[i] + word[i:]
    last = max(lower.rfind(vowel) for vowel in "aeiou")
    if lower[last - 1 : last + 1] == "ei":
        return word[:last] + "y" + word[last + 1 :]
    return word[:last] + lower[last] + word[last:]


def first_names(seed: int, region: int, count: int, *, female: bool) -> list[tuple[str, str]]:
    """Pairs of first names that differ in one or two letters; regions share first names, never surnames."""
    random = seeded(seed, region, "first names", int(female))
    ends = _SYLLABLES.her_ends if female else _SYLLABLES.his_ends
    heads = random.sample(_SYLLABLES.first_heads, min(count, len(_SYLLABLES.first_heads)))
    pairs = [random.sample(ends, 2) for _ in heads]
    return [(head + one, head + other) for head, (one, other) in zip(heads, pairs, strict=True)]


_FIRST = (_SYLLABLES.onsets, _SYLLABLES.vowels)
_MIDDLE = (_SYLLABLES.medials, _SYLLABLES.vowels)
_DIGITS = (  # of words of two and of three syllables
    (*_FIRST, *_MIDDLE, _SYLLABLES.endings),
    (*_FIRST, *_MIDDLE, *_MIDDLE, _SYLLABLES.endings),
)
_SIZES = tuple(prod(map(len, digits)) for digits in _DIGITS)


def _bijection(seed: int, size: int) -> tuple[int, int]:
    """Factor and shift of a one-to-one map of 0..size-1 onto itself; neighbours land far apart."""
    random = seeded(seed, "names", size)
    factor = random.randrange(size // 3, size)
    while gcd(factor, size) > 1:
        factor += 1
    return factor, random.randrange(size)


def _spell(number: int, digits: tuple[tuple[str, ...], ...]) -> str:
    groups = []
    for letters in digits:
        number, digit = divmod(number, len(letters))
        groups.append(letters[digit])
    return "".join(groups).capitalize()
