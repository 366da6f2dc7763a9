"""A map of data sets and retrievers that shows where each retriever is strong."""

from dataclasses import dataclass

from embedder.report.measures import Kind, headlines
from embedder.results.measures import sign
from embedder.results.scores import Scores
from embedder.results.titles import UPPER_BOUND


@dataclass(frozen=True)
class HeatLine:
    """A data set and a metric."""

    kind: Kind
    dataset: str
    metric: str
    cells: list[tuple[float, float] | None]
    """Value, and how good it is among its neighbours: 0 the worst, 1 the best. None where the metric does not apply."""


def heat_map(scores: Scores) -> list[HeatLine]:
    """A line for each data set and headline metric, those of retrieval first.

    Shades are relative to the line: metrics of different tasks have no common scale.
    """
    found = []
    for name in scores.datasets():
        for kind, metric in headlines(scores.metrics([name])).items():
            means = scores.means(metric, [name])
            values = [means[who].value if who in means else None for who in scores.retrievers]
            bound = [who == UPPER_BOUND for who in scores.retrievers]
            found.append(HeatLine(kind, "/".join(name), metric, _shaded(values, bound, lower=sign(metric) < 0)))
    kinds = list(dict.fromkeys(line.kind for line in found))
    return sorted(found, key=lambda line: kinds.index(line.kind))


def _shaded(values: list[float | None], bound: list[bool], *, lower: bool) -> list[tuple[float, float] | None]:
    """Shades from the worst competitor to the best; an upper bound would make all others look alike."""
    known = [value for value, is_bound in zip(values, bound, strict=True) if value is not None and not is_bound]
    known = known or [value for value in values if value is not None]
    worst, best = (max(known), min(known)) if lower else (min(known), max(known))
    return [
        None
        if value is None
        else (value, 1.0 if best == worst else min(1.0, max(0.0, (value - worst) / (best - worst))))
        for value in values
    ]
