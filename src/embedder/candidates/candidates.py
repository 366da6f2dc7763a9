"""How candidates of a query are proposed: how many, from which sources and ranks, and which are left out."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from embedder.bounds import Bound, NonNegativeInt, PositiveInt, Seed, ShareAboveZero
from embedder.candidates.filters import CandidateFilters
from embedder.checks import checked
from embedder.errors import ConfigError

SOURCES = ("bm25", "dense")


@checked("candidates")
@dataclass(frozen=True)
class Candidates:
    """How candidates are proposed.

    `range_min`, `range_max` and `sampling_strategy` are those of sentence-transformers' `mine_hard_negatives`.
    FlagEmbedding's `range_for_sampling=10-210` is `range_min=10 range_max=210 sampling_strategy=random`.

    Args:
        n: Candidates of each query (the paper's M); gold keys are part of them.
        max_gold: The most gold keys that are candidates; the others are never proposed as negatives either.
        range_min: How many of the best matches of each source are never proposed (they are often unlabelled positives).
            Gold keys have a rank too.
        range_max: The last rank of a source that is proposed; None for as many as are needed.
        sampling_strategy: `top` takes the best of these ranks, `random` draws from all of them.
        near_duplicates: Keys whose `jaccard` is this or more count as one: a near duplicate of a gold key is never
            proposed, of others the best alone. None for exact copies alone.
        seed: Chooses what `random` draws, and the random keys that fill up a query with too few matches; with the
            query's id, and nothing else.
        sources: `bm25`, `dense` or both; the rankings of both are fused by reciprocal rank.
        filters: Which unlabelled candidates are skipped.
    """

    n: Annotated[int, Bound("2 or more (a query needs something to compare)", at_least=2)] = 8
    max_gold: int = 2
    range_min: NonNegativeInt = 0
    range_max: PositiveInt | None = None
    sampling_strategy: Literal["top", "random"] = "top"
    near_duplicates: ShareAboveZero | None = 0.9
    seed: Seed = 0
    sources: tuple[str, ...] = ("bm25",)
    filters: CandidateFilters = field(default_factory=CandidateFilters)

    def __post_init__(self) -> None:
        if not 1 <= self.max_gold < self.n:
            raise ConfigError("candidates.max_gold", f"1 to {self.n - 1} (below candidates.n)", self.max_gold)
        object.__setattr__(self, "sources", tuple(self.sources))  # Hydra hands over a list
        if not self.sources or len(set(self.sources)) < len(self.sources) or not set(self.sources) <= set(SOURCES):
            raise ConfigError("candidates.sources", f"different ones of {', '.join(SOURCES)}", list(self.sources))
        if self.range_max is not None and self.range_max < self.range_min + self.n:
            least = f"{self.range_min + self.n} or more (range_min + n)"
            raise ConfigError("candidates.range_max", least, self.range_max)
        if self.sampling_strategy == "random" and self.range_max is None:
            raise ConfigError("candidates.range_max", "the last rank to draw from (sampling_strategy=random)", None)
        if (limits := self.filters.of_cosines) and "dense" not in self.sources:
            expected = "null, or `dense` among candidates.sources: the scores of BM25 have another scale for each query"
            raise ConfigError(f"candidates.filters.{limits[0]}", expected, getattr(self.filters, limits[0]))
