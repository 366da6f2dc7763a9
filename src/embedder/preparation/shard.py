"""The part of the queries that one of many machines labels."""

import hashlib
from dataclasses import dataclass

from embedder.errors import ConfigError
from embedder.types import Query


@dataclass(frozen=True)
class Shard:
    """A part of the queries, for labelling on many machines: part `number` (from 1) of `of`.

    >>> [Query("q1", "?") in Shard(number, 3) for number in (1, 2, 3)].count(True)
    1
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ConfigError("shard", "a part such as 3/16", f"{self.number}/{self.of}")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From `3/16`."""
        number, _, of = str(text).partition("/")
        if not (number.isdecimal() and of.isdecimal()):
            raise ConfigError("shard", "a part such as 3/16", text)
        return cls(int(number), int(of))

    def __contains__(self, query: Query) -> bool:
        digest = hashlib.blake2b(f"shard/{query.id}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") % self.of == self.number - 1
