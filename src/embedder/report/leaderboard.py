"""The table that comes first: retrievers by metrics, with intervals, and who cannot be told from the best."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedder.report.intervals import Statistics, mean_of_means
from embedder.report.measures import columns, from_scale, is_lower_better
from embedder.report.scores import DatasetName, Scores

UPPER_BOUND = "oracle"
"""The row that knows the gold keys: a bound, not a competitor."""


@dataclass(frozen=True)
class Mean:
    """A mean over queries (and data sets), with its 95 % interval."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Cell:
    """What a retriever reached."""

    mean: Mean
    best: bool
    """Whether no other is better, the upper bound aside."""
    level: bool
    """Whether its paired difference to the best may be 0."""


@dataclass(frozen=True)
class Board:
    """A table of retrievers by metrics."""

    title: str
    queries: int
    metrics: list[str]
    lines: list[tuple[str, list[Cell | None]]]
    """Retriever, and a cell for each metric; None where the metric does not apply."""


def boards(scores: Scores, statistics: Statistics) -> list[Board]:
    """The mean over data sets, then each data set; one table where there is one data set."""
    names = scores.datasets()
    each = [board("/".join(name), scores, [name], statistics) for name in names]
    if len(names) == 1:
        return each
    return [board(f"mean over {len(names)} data sets", scores, names, statistics), *each]


def board(title: str, scores: Scores, datasets: Sequence[DatasetName], statistics: Statistics) -> Board:
    """The table over some data sets, each of which counts the same."""
    metrics = columns(scores.metrics(datasets))
    by_metric = {metric: _column(metric, scores, datasets, statistics) for metric in metrics}
    present = [who for who in scores.retrievers if any(scores.row(name, who) for name in datasets)]
    lines = [(who, [by_metric[metric].get(who) for metric in metrics]) for who in present]
    return Board(title, _queries(scores, datasets), metrics, lines)


def mean(metric: str, retriever: str, scores: Scores, datasets: Sequence[DatasetName], s: Statistics) -> Mean | None:
    """The mean of a retriever with its interval; None where it lacks a data set."""
    groups = scores.values(metric, retriever, datasets)
    if groups is None:
        return None
    low, high = s.interval(groups) or (None, None)
    ends = [None if end is None else from_scale(metric, end) for end in (low, high)]
    return Mean(from_scale(metric, mean_of_means(groups)), *ends)


def ranked(metric: str, means: dict[str, Mean]) -> list[str]:
    """Competitors, best first."""
    sign = 1 if is_lower_better(metric) else -1
    return sorted((who for who in means if who != UPPER_BOUND), key=lambda who: sign * means[who].value)


def _column(
    metric: str, scores: Scores, datasets: Sequence[DatasetName], statistics: Statistics
) -> dict[str, Cell | None]:
    found = {who: mean(metric, who, scores, datasets, statistics) for who in scores.retrievers}
    means = {who: value for who, value in found.items() if value is not None}
    order = ranked(metric, means)
    best = means[order[0]].value if order else None
    cells: dict[str, Cell | None] = {}
    for who, value in means.items():
        is_best = who != UPPER_BOUND and value.value == best
        level = False
        if order and who not in (order[0], UPPER_BOUND):
            gap = scores.differences(metric, who, order[0], datasets)
            ends = None if gap is None else statistics.difference(gap)
            level = value.value == best if ends is None else ends[0] <= 0 <= ends[1]
        cells[who] = Cell(value, is_best, level)
    return cells


def _queries(scores: Scores, datasets: Sequence[DatasetName]) -> int:
    own = [row for row in scores.rows if (row.task, row.dataset) in datasets]
    return sum(
        max(
            (len(values) for row in own if (row.task, row.dataset) == name for values in row.per_query.values()),
            default=0,
        )
        for name in datasets
    )
