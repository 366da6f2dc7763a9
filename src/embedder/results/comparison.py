"""What a comparison of two evaluations found: lines of means with their verdicts, and the queries that changed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embedder.checks import check_types
from embedder.errors import ConfigError
from embedder.results.changes import Changes
from embedder.results.measures import sign
from embedder.results.resampling import Sampling
from embedder.results.results import Address, Answered, Results
from embedder.results.statistics import Difference


@dataclass(frozen=True)
class CompareSettings:
    """How two evaluations are compared.

    Args:
        metrics: Which; None for those of the table. Fewer comparisons need less correction.
        by: Metrics whose changes are listed query by query; None for one of the ranking and one of the answers.
        max_shown: Queries listed in each direction for each data set and metric.
        resamples: Of the bootstrap and of the paired test.
        seed: Of both.
    """

    metrics: Sequence[str] | None = None
    by: Sequence[str] | None = None
    max_shown: int = 10
    resamples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self, "compare")
        if self.max_shown < 0:
            raise ConfigError("compare.max_shown", "0 or more", self.max_shown)
        for setting in ("metrics", "by"):
            value = getattr(self, setting)
            if value is not None and (isinstance(value, str) or not value):
                raise ConfigError(f"compare.{setting}", "a list of metrics such as [ndcg@10, em], or null", value)
        self.sampling  # noqa: B018  # refuses what cannot be drawn

    @property
    def sampling(self) -> Sampling:
        """How resamples are drawn."""
        return Sampling(self.resamples, self.seed)


@dataclass(frozen=True)
class Line:
    """One metric, on one data set or on the mean of several.

    Args:
        scope: `qa/nq`, or what the mean is of.
        metric: Its name.
        difference: What B has more.
        p: Corrected for all lines of its kind (data sets, means) in the comparison.
        needed: Questions that a difference of this size would need, for metrics that are 0 or 1.
    """

    scope: str
    metric: str
    difference: Difference
    p: float
    needed: int | None

    @property
    def better(self) -> int:
        """Queries on which B is better."""
        return self.difference.rose if sign(self.metric) > 0 else self.difference.fell

    @property
    def worse(self) -> int:
        """Queries on which B is worse."""
        return self.difference.fell if sign(self.metric) > 0 else self.difference.rose

    @property
    def verdict(self) -> int:
        """1 where B is better beyond chance, -1 where it is worse, 0 where nobody can say."""
        if self.p >= 0.05 or self.difference.difference == 0:
            return 0
        return 1 if self.difference.difference * sign(self.metric) > 0 else -1


@dataclass(frozen=True)
class PairComparison:
    """One retriever of A against one of B."""

    a: str
    b: str
    datasets: tuple[Line, ...]
    means: tuple[Line, ...]
    changes: tuple[Changes, ...]


@dataclass(frozen=True)
class Comparison:
    """All pairs, with what a reader must know about them."""

    a: Results
    b: Results
    pairs: tuple[PairComparison, ...]
    warnings: tuple[str, ...]
    settings: CompareSettings
    texts: tuple[Mapping[Address, Answered], Mapping[Address, Answered]]
    """Of the queries that are shown, in A and in B."""

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values; null where nothing can be said."""
        return {
            "format": 1,
            "a": str(self.a.folder),
            "b": str(self.b.folder),
            "settings": asdict(self.settings),
            "warnings": list(self.warnings),
            "pairs": [
                {
                    "a": pair.a,
                    "b": pair.b,
                    "datasets": [_line_json(line) for line in pair.datasets],
                    "means": [_line_json(line) for line in pair.means],
                    "changes": [each.as_json(pair.a, pair.b, self.texts) for each in pair.changes],
                }
                for pair in self.pairs
            ],
        }


def _line_json(line: Line) -> dict[str, Any]:
    found = line.difference
    interval = [end if end == end else None for end in (found.interval.low, found.interval.high)]
    return {
        "scope": line.scope,
        "metric": line.metric,
        "queries": found.n,
        "a": found.a,
        "b": found.b,
        "difference": found.difference,
        "interval": interval,
        "p": found.p,
        "p_corrected": line.p,
        "verdict": {1: "better", -1: "worse", 0: "undecided"}[line.verdict],
        "better": line.better,
        "worse": line.worse,
        "tied": found.tied,
        "questions_needed": line.needed,
    }
