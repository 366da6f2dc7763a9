"""The part of the queries that one of several processes or machines labels."""

from collections.abc import Iterable
from dataclasses import dataclass

from embedder.errors import ConfigError
from embedder.training.gather import TOGETHER
from embedder.types import Query


@dataclass(frozen=True)
class Shard:
    """A part of the queries: `number` (from 1) of `of`.

    >>> queries = [Query(f"q{i}", "Who?") for i in range(35)]
    >>> [query.id for query in Shard(1, 2).queries(queries)][14:], Shard(2, 2).queries(queries) == queries[16:32]
    (['q14', 'q15', 'q32', 'q33', 'q34'], True)
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
        """Those of this part; what the LLM judges together is not divided."""
        return [query for i, query in enumerate(queries) if i // TOGETHER % self.of == self.number - 1]

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"
