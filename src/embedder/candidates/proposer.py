"""What every source of candidates offers: a ranking of the keys that a query may be compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from embedder.types import KeyStore, Query


@dataclass(frozen=True, slots=True)
class Hits:
    """The ranking of one source for one query.

    Args:
        positions: Of eligible keys in the corpus, best first.
        scores: Theirs, on the scale of the source.
        gold_scores: Scores of the query's gold keys, in their order, whether they are in the ranking or not.
    """

    positions: tuple[int, ...]
    scores: tuple[float, ...]
    gold_scores: tuple[float, ...]


class Proposer(Protocol):
    """A source of candidates."""

    @property
    def name(self) -> str:
        """As records and reports know it."""
        ...

    def fit(self, corpus: KeyStore) -> None:
        """Index a corpus, in place of the last one."""
        ...

    def rank(self, queries: Sequence[Query], top_k: int) -> list[Hits]:
        """The best eligible keys of each query, at most `top_k`; what a query gets depends on no other query."""
        ...
