"""What entities are made of: trades, landmarks, forms of art, titles, each by the word that tells it from others."""

from dataclasses import dataclass
from typing import Annotated

from embedder.world.phrase_files import read_phrases


@dataclass(frozen=True, slots=True)
class Trade:
    """What a person of a trade did (for passages), and another word for the trade (for questions)."""

    deed: str
    synonym: str


@dataclass(frozen=True, slots=True)
class Business:
    """What a company did, and the words that its name may end with."""

    did: str
    suffixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Happening:
    """What an event did, and how questions describe it."""

    did: str
    description: Annotated[str, "place"]


@dataclass(frozen=True, slots=True)
class ArtForm:
    """Another word for works of a form, and how they are made."""

    synonym: str
    made: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The name of what was discovered, and another word for what it is."""

    name: Annotated[str, "word"]
    synonym: str


@dataclass(frozen=True, slots=True)
class EntityPhrases:
    """All choices.

    Args:
        landmarks: Of towns: what passages say, by the word that questions use.
        trades: Of people, by the noun that passages use.
        epithets: Of people.
        companies: By what questions call them.
        events: By the first part of their name.
        forms: Of works, by the noun that passages use.
        titles: Of works.
        discoveries: By the noun that passages use.
    """

    landmarks: dict[str, str]
    trades: dict[str, Trade]
    epithets: tuple[str, ...]
    companies: dict[str, Business]
    events: dict[str, Happening]
    forms: dict[str, ArtForm]
    titles: tuple[Annotated[str, "place"], ...]
    discoveries: dict[str, Finding]


PHRASES = read_phrases(EntityPhrases, "entities")
