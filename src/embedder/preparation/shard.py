"""The part of the queries that one of several processes or machines labels."""

from collections.abc import Iterable
from dataclasses import dataclass

from embedder.errors import ConfigError
from embedder.types import Query


@dataclass(frozen=True)
class Shard:
    """A part of the queries: `number` (from 1) of `of`.

    >>> queries = [Query("q1", "Who?"), Query("q2", "Where?"), Query("q3", "Who?")]
    >>> [query.id for query in Shard(1, 2).queries(queries)], [query.id for query in Shard(2, 2).queries(queries)]
    (['q1', 'q3'], ['q2'])
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

    def queries(self, queries: Iterable[Query]) -> list[Query]:
        """Those of this part: the parts are of one size, and queries of one text, which share prompts, are in one."""
        numbers: dict[str, int] = {}
        return [query for query in queries if numbers.setdefault(query.text, len(numbers)) % self.of == self.number - 1]

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"
