"""Numbers within bounds, as types: the annotation `n: PositiveInt` says which values are allowed.

`embedder.checks` reads it. A bound of one setting alone is `Annotated[int, Bound("8 or more tokens", at_least=8)]`; its
values are literals, since `embedder.entry.settings` checks settings before the code that takes them is imported.
"""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Bound:
    """A bound that a number must keep, beside its type.

    Args:
        expected: What the message says is expected, such as "1 or more".
        at_least: The smallest value.
        above: Every value is larger.
        at_most: The largest value.
        below: Every value is smaller.
        null: What the message says about null, if the setting may be null.
    """

    expected: str
    at_least: float = float("-inf")
    above: float = float("-inf")
    at_most: float = float("inf")
    below: float = float("inf")
    null: str = "null"

    def holds(self, value: float) -> bool:
        """Whether a number is within the bound; NaN is not."""
        return self.at_least <= value <= self.at_most and self.above < value < self.below


PositiveInt = Annotated[int, Bound("1 or more", at_least=1)]
NonNegativeInt = Annotated[int, Bound("0 or more", at_least=0)]
Limit = Annotated[int, Bound("1 or more", at_least=1, null="null for all")]
"""How many are taken at most."""
PositiveFloat = Annotated[float, Bound("a number above 0", above=0)]
NonNegativeFloat = Annotated[float, Bound("0 or more", at_least=0)]
Share = Annotated[float, Bound("a share from 0 to 1", at_least=0, at_most=1)]
ShareBelowOne = Annotated[float, Bound("a share from 0 to below 1", at_least=0, below=1)]
ShareAboveZero = Annotated[float, Bound("above 0, at most 1", above=0, at_most=1)]
ShareBetween = Annotated[float, Bound("a share between 0 and 1", above=0, below=1)]
"""Without 0 and without 1: something is left on both sides."""
Seed = Annotated[int, Bound("0 to 4294967295", at_least=0, at_most=4294967295)]
"""What every generator of random numbers takes."""
