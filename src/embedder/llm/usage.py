"""What a run asked of an LLM, and what that costs: tokens read and written, and money."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

from embedder.bounds import NonNegativeFloat
from embedder.checks import checked

Kind = Literal["score", "write", "sample"]
CHARACTERS_A_TOKEN = 4.0
"""Of English; stands in while the LLM has not been asked for anything of a kind."""


@checked("price")
@dataclass(frozen=True)
class Price:
    """What an LLM costs.

    Args:
        input: Of a million tokens that it reads; None where it costs nothing, or is not known.
        output: Of a million tokens that it writes.
        currency: In which.
    """

    input: NonNegativeFloat | None = None
    output: NonNegativeFloat | None = None
    currency: str = "USD"

    def of(self, read: float, written: float) -> float | None:
        """Of so many tokens; None without a price.

        >>> Price(input=0.5, output=2.0).of(read=2_000_000, written=100_000)
        1.2
        """
        if self.input is None and self.output is None:
            return None
        return (read * (self.input or 0.0) + written * (self.output or 0.0)) / 1e6


@dataclass(frozen=True)
class Tokens:
    """Tokens that went through an LLM, or would have: about so many, where they are estimated from characters."""

    read: float = 0.0
    written: float = 0.0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.read + other.read, self.written + other.written)

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.read - other.read, self.written - other.written)


@dataclass
class _OfKind:
    """Characters and tokens of one kind of request."""

    tokens: int = 0
    read: int = 0
    written: int = 0

    @property
    def split(self) -> Tokens:
        a_character = self.tokens / (self.read + self.written) if self.tokens else 1 / CHARACTERS_A_TOKEN
        return Tokens(self.read * a_character, self.written * a_character)


@dataclass
class Usage:
    """Counts what is asked, by kind of request.

    The LLM says how many tokens it ran in all. How many of them it read follows from characters. That differs by kind:
    of scoring, for example, a server gets each output with its whole prompt, so that a character of a prompt stands for
    more tokens than one of a text that is written.
    """

    _kinds: dict[Kind, _OfKind] = field(default_factory=lambda: defaultdict(_OfKind))

    seconds: float = 0.0
    """That the LLM took."""

    def asked_for(self, kind: Kind, tokens: int, read: int, written: int, seconds: float = 0.0) -> None:
        """The LLM ran so many tokens, on so many characters that it read and wrote."""
        self.seconds += seconds
        own = self._kinds[kind]
        own.tokens, own.read, own.written = own.tokens + tokens, own.read + read, own.written + written

    @property
    def asked(self) -> Tokens:
        """What the LLM read and wrote since the count began."""
        return sum((one.split for one in self._kinds.values()), Tokens())
