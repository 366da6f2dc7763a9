"""B against A by one metric: by how much B is better, and whether that is more than chance.

The table, the page, the comparison of two runs and the log of validation all use this rule.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from embedder.metrics.sample_size import questions_needed, values_needed
from embedder.results.measures import BINARY, sign
from embedder.results.scores import Mean, Pairs
from embedder.results.statistics import ALPHA, Difference, holm


@dataclass(frozen=True)
class Verdict:
    """What the queries say about two retrievers, on one data set or on the mean of several.

    Args:
        a: Title of the retriever that the other is compared with.
        b: Title of the other.
        scope: `qa/nq`, or what the mean is of.
        p: Two-sided, corrected for all verdicts that are shown together; see `corrected`.
        needed: Queries that it takes to find a difference of this size; None where there is no such number.
    """

    a: str
    b: str
    scope: str
    metric: str
    difference: Difference
    p: float
    needed: int | None = None

    @classmethod
    def of(cls, a: str, b: str, scope: str, metric: str, pairs: Pairs) -> Self:
        """The verdict of the queries that both have, not corrected for others."""
        difference = pairs.difference
        return cls(a, b, scope, metric, difference, difference.p, _needed(metric, pairs))

    @property
    def better(self) -> int:
        """Queries on which B is better."""
        return self.difference.rose if sign(self.metric) > 0 else self.difference.fell

    @property
    def worse(self) -> int:
        """Queries on which B is worse."""
        return self.difference.fell if sign(self.metric) > 0 else self.difference.rose

    @property
    def beyond_chance(self) -> int:
        """1 where B is better beyond chance, -1 where it is worse, 0 where the queries cannot tell."""
        if self.p >= ALPHA or self.difference.difference == 0:
            return 0
        return 1 if self.difference.difference * sign(self.metric) > 0 else -1

    @property
    def mean(self) -> Mean:
        """The difference with its interval."""
        return Mean.of(self.difference.difference, self.difference.interval)

    def as_json(self) -> dict[str, Any]:
        """All but the names of the two, as plain values; null where a value is not known."""
        return {
            "scope": self.scope,
            "metric": self.metric,
            "queries": self.difference.n,
            "a": self.difference.a,
            "b": self.difference.b,
            "difference": self.difference.difference,
            "interval": [self.mean.low, self.mean.high],
            "p": self.difference.p,
            "p_corrected": self.p,
            "verdict": {1: "better", -1: "worse", 0: "undecided"}[self.beyond_chance],
            "better": self.better,
            "worse": self.worse,
            "tied": self.difference.tied,
            "questions_needed": self.needed,
        }


def corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The same verdicts with p-values corrected for being shown together (`holm`)."""
    p_values = holm([verdict.difference.p for verdict in verdicts])
    return [replace(verdict, p=p) for verdict, p in zip(verdicts, p_values, strict=True)]


def _needed(metric: str, pairs: Pairs) -> int | None:
    """Queries, over all data sets together, that would show a difference of the present size."""
    changes = [b.values - a.values for a, b in pairs.columns]
    if len(changes) == 1 and metric in BINARY:
        return questions_needed(float((changes[0] > 0).mean()), float((changes[0] < 0).mean()), ALPHA)
    if any(len(change) < 2 for change in changes):
        return None
    n = sum(map(len, changes))
    weighted = list(zip(pairs.weights, changes, strict=True))
    error = math.sqrt(sum(w**2 * float(change.var(ddof=1)) / len(change) for w, change in weighted))
    return values_needed(sum(w * float(change.mean()) for w, change in weighted), error * math.sqrt(n), ALPHA)
