"""The table that comes first: retrievers by metrics, with intervals, and which are within chance of the best."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from embedder.report.measures import columns
from embedder.results.measures import is_given, narrowed, sign
from embedder.results.row import DatasetName
from embedder.results.scores import Mean, Scores
from embedder.results.titles import UPPER_BOUND
from embedder.results.verdict import Verdict, corrected

_FIRST_SHOWN = 4  # columns; the others stand behind a switch


@dataclass(frozen=True)
class Cell:
    """What a retriever reached."""

    mean: Mean
    best: bool
    """Whether no other is better, the upper bound aside."""
    level: bool
    """Whether its difference from the best is within chance, by the rule of every verdict for the whole table."""


@dataclass(frozen=True)
class Board:
    """A table of retrievers by metrics."""

    title: str
    queries: int
    metrics: list[str]
    lines: list[tuple[str, list[Cell | None]]]
    """Retriever, and a cell for each metric; None where the metric does not apply."""
    over: dict[str, str]
    """How many data sets have a metric, where that is not the same for all."""
    counts: dict[str, int]
    """Queries that have a value, by metric."""

    def cells(self) -> Iterator[tuple[str, str, Cell]]:
        """Retriever, metric and cell, where there is one."""
        for who, cells in self.lines:
            yield from ((who, m, cell) for m, cell in zip(self.metrics, cells, strict=True) if cell is not None)

    @property
    def first_shown(self) -> list[str]:
        """The metrics that are shown before the reader asks for all."""
        return narrowed(self.metrics, _FIRST_SHOWN)


def boards(scores: Scores) -> list[Board]:
    """The mean of tasks or data sets, then each data set with the mean of its parts; one table where there is one."""
    names = scores.datasets()
    each = [table for name in names for table in (board("/".join(name), scores, [name]), *_macro_board(scores, name))]
    if len(names) == 1:
        return each
    n_tasks = len(scores.tasks)
    title = f"mean over {len(names)} data sets" if n_tasks == 1 else f"mean of {n_tasks} tasks"
    return [board(title, scores, names), *each]


def _macro_board(scores: Scores, name: DatasetName) -> list[Board]:
    """The mean that counts the parts of a data set the same, where it has one."""
    if (macro := scores.macro(name)) is None:
        return []
    title, parts = macro
    return [board(title, parts, parts.datasets())]


def board(title: str, scores: Scores, datasets: Sequence[DatasetName]) -> Board:
    """The table over some data sets, each of which counts the same."""
    metrics = columns(scores.metrics(datasets))
    cells = _cells(metrics, scores, datasets)
    present = [who for who in scores.retrievers if any(scores.row(name, who) for name in datasets)]
    lines = [(who, [cells.get((who, metric)) for metric in metrics]) for who in present]
    counts = {metric: _queries(scores, datasets, metric) for metric in metrics}
    return Board(title, _queries(scores, datasets), metrics, lines, scores.partly(metrics, datasets), counts)


def ranked(metric: str, means: dict[str, Mean]) -> list[str]:
    """Competitors, best first; a value that holds by definition competes with none."""
    competitors = [who for who in means if who != UPPER_BOUND and not is_given(metric, who)]
    return sorted(competitors, key=lambda who: -sign(metric) * means[who].value)


def _cells(metrics: Sequence[str], scores: Scores, datasets: Sequence[DatasetName]) -> dict[tuple[str, str], Cell]:
    """By retriever and metric."""
    cells: dict[tuple[str, str], Cell] = {}
    behind: list[Verdict] = []
    for metric in metrics:
        means = scores.means(metric, datasets)
        order = ranked(metric, means)
        for who, mean in means.items():
            cells[who, metric] = Cell(mean, who in order and mean.value == means[order[0]].value, level=False)
            if who in order[1:] and (pairs := scores.pairs(metric, who, order[0], datasets)) is not None:
                behind.append(Verdict.of(order[0], who, "", metric, pairs))
    for verdict in corrected(behind):
        name = verdict.b, verdict.metric
        cells[name] = replace(cells[name], level=verdict.beyond_chance == 0)
    return cells


def _queries(scores: Scores, datasets: Sequence[DatasetName], metric: str | None = None) -> int:
    """Queries that have a value of a metric, or of any."""
    return sum(
        max(
            (
                len(values)
                for row in scores.of(name)
                for measured, values in row.per_query.items()
                if metric in (None, measured)
            ),
            default=0,
        )
        for name in datasets
    )
