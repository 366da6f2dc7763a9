"""Names from syllables: a syllable in each says which region it belongs to, so no two regions share a name."""

import random
from collections.abc import Callable, Sequence

_HEADS = [
    "Ald",
    "Bar",
    "Bran",
    "Cald",
    "Crow",
    "Dew",
    "Dra",
    "Eld",
    "Esk",
    "Fen",
    "Ferr",
    "Gorm",
    "Hask",
    "Hew",
    "Isk",
    "Iver",
    "Jur",
    "Kest",
    "Kil",
    "Lorn",
    "Lum",
    "Mor",
    "Myr",
    "Ned",
    "Nor",
    "Ora",
    "Ost",
    "Pel",
    "Pry",
    "Quel",
    "Rav",
    "Rhu",
    "Sten",
    "Tarn",
    "Thal",
    "Tolv",
    "Tuv",
    "Uld",
    "Ulv",
    "Vael",
    "Vell",
    "Wyn",
    "Yorr",
    "Zan",
]
_TOWN_TAILS = [
    "by",
    "dale",
    "ness",
    "stead",
    "low",
    "wick",
    "ham",
    "ton",
    "mouth",
    "vik",
    "cross",
    "gate",
    "haven",
    "mere",
]
_SURNAME_TAILS = ["ow", "and", "ens", "ley", "mere", "ik", "sen", "ova", "berg", "ard"]
_FIRST_HEADS = [
    "Ado",
    "Bri",
    "Cal",
    "Cor",
    "Dav",
    "Del",
    "Ed",
    "Fen",
    "Gil",
    "Hal",
    "Hes",
    "In",
    "Ire",
    "Ist",
    "Jor",
    "Kel",
    "Lin",
    "Lud",
    "Mar",
    "Mir",
    "Ner",
    "Nol",
    "Or",
    "Ost",
    "Pel",
    "Rik",
    "Ros",
    "Sab",
    "Sol",
    "Tam",
    "Tev",
    "Tol",
    "Un",
    "Ves",
    "Wen",
    "Yar",
    "Zeb",
]
_FIRST_TAILS = [
    "a",
    "an",
    "ane",
    "ard",
    "e",
    "ed",
    "el",
    "en",
    "ette",
    "ice",
    "ika",
    "is",
    "o",
    "ola",
    "or",
    "ric",
    "un",
    "us",
]
_PREFIXES = ["New", "Old", "Upper", "West", "Little"]
_ONSETS = ["b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z"]
_VOWELS = "aeiou"
_SURNAMES = 6  # families of a region: namesakes are common


class Namer:
    """The names of one region, none of them twice.

    Args:
        region: From 0.
        generator: Source of randomness.
    """

    def __init__(self, region: int, generator: random.Random) -> None:
        self._code = _code(region)
        self._generator = generator
        self._used: set[str] = set()
        self._surnames = [self._word(_SURNAME_TAILS) for _ in range(_SURNAMES)]

    def place(self) -> str:
        """A town."""
        return self._word(_TOWN_TAILS)

    def near(self, name: str) -> str:
        """A town named after another."""
        return self._new(lambda: f"{self._generator.choice(_PREFIXES)} {name}")

    def person(self) -> str:
        """First name and surname."""
        choice = self._generator.choice
        return self._new(lambda: f"{choice(_FIRST_HEADS)}{choice(_FIRST_TAILS)} {choice(self._surnames)}")

    def coined(self, tails: Sequence[str]) -> str:
        """A word with one of these endings."""
        return self._word(tails)

    def _word(self, tails: Sequence[str]) -> str:
        choice = self._generator.choice
        return self._new(lambda: f"{choice(_HEADS)}{self._code}{choice(tails)}")

    def _new(self, draw: Callable[[], str]) -> str:
        while (name := draw()) in self._used:
            pass
        self._used.add(name)
        return name


def _code(region: int) -> str:
    """The number of a region in syllables."""
    syllables = []
    while True:
        region, digit = divmod(region, len(_ONSETS) * len(_VOWELS))
        onset, vowel = divmod(digit, len(_VOWELS))
        syllables.append(_ONSETS[onset] + _VOWELS[vowel])
        if not region:
            return "".join(syllables)
        region -= 1
