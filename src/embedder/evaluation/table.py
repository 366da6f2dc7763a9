"""The table that people read and the rows that programs read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from embedder.evaluation.measures import EXPONENTIAL, UNBOUNDED, averaged, is_given, shown_metrics, sign
from embedder.evaluation.resampling import Column, Sampling, Values, resample
from embedder.evaluation.statistics import LEVEL, Interval, holm, mean_interval, paired_difference

BETTER, WORSE = "▲", "▼"
Name = TypeVar("Name", bound=tuple[str, ...])


@dataclass(frozen=True)
class Row:
    """The scores of one retriever on one data set."""

    task: str
    dataset: str
    retriever: str
    mean: dict[str, float]
    per_query: dict[str, dict[str, float]]
    """Metric -> query id -> score, so that two runs can be compared query by query."""
    protocol: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return dict(vars(self))


def render(
    rows: Sequence[Row],
    cutoffs: Sequence[int] = (5, 10),
    baseline: str = "base encoder",
    sampling: Sampling | None = Sampling(),  # noqa: B008  # frozen
) -> str:
    """Two Markdown tables for each data set: means, marked against the baseline, and their 95 % intervals.

    Every row is compared with the baseline query by query; p-values are corrected for all comparisons of the data set.
    Tables of several data sets may be rendered one by one and joined.

    Args:
        rows: The scores; a dash stands where a metric does not apply.
        cutoffs: Places at which ranking metrics were cut; where 5 and 10 are not among them, the largest is shown.
        baseline: Title of the row that others are held against; without such a row nothing is marked.
        sampling: How intervals and p-values are drawn; None for means alone, as while an evaluation is under way.
    """
    parts = []
    for task, dataset in dict.fromkeys((row.task, row.dataset) for row in rows):
        own = [row for row in rows if (row.task, row.dataset) == (task, dataset)]
        shown = shown_metrics({metric for row in own for metric in row.mean}, cutoffs)
        columns = {} if sampling is None else columns_of(own, shown, sampling)
        marks = significance(columns, baseline)
        width = 2 * any(marks.values())
        parts.append(
            align(
                [
                    [f"{task}/{dataset}", *shown],
                    *([row.retriever, *(_cell(row, m, marks, width) for m in shown)] for row in own),
                ]
            )
        )
        if columns:
            intervals = {name: mean_interval(column) for name, column in columns.items()}
            cells = [[row.retriever, *(_range(intervals.get((row.retriever, m))) for m in shown)] for row in own]
            parts.append(align([[f"{LEVEL:.0%} intervals".replace("%", " %"), *shown], *cells]))
            parts.append(_legend(columns, baseline, len(marks)))
    return "\n\n".join(parts)


def columns_of(rows: Sequence[Row], metrics: Sequence[str], sampling: Sampling) -> dict[tuple[str, str], Column]:
    """The values of one data set by (retriever, metric), resampled together; what holds by definition is left out."""
    values = {
        (row.retriever, metric): found
        for row in rows
        for metric in metrics
        if row.per_query.get(metric)
        and not is_given(metric, row.retriever)
        and (found := averaged(metric, row.per_query[metric], row.mean[metric])) is not None
    }
    return resample_metrics(values, sampling, rows[0].task, rows[0].dataset) if values else {}


def resample_metrics(values: Mapping[Name, Values], sampling: Sampling, task: str, dataset: str) -> dict[Name, Column]:
    """Columns of one data set, each drawn as its metric asks.

    Args:
        values: By names that end with the metric.
        sampling: How many resamples, and the seed.
        task: Of the data set.
        dataset: Its name.
    """
    exponential = [name for name in values if name[-1] in EXPONENTIAL]
    unbounded = [name for name in values if name[-1] in UNBOUNDED]
    return resample(values, sampling, f"{task}/{dataset}", exponential, unbounded)


def significance(columns: Mapping[tuple[str, str], Column], baseline: str) -> dict[tuple[str, str], str]:
    """Whether each row is better or worse than the baseline, after Holm's correction; "" where nobody can say.

    Args:
        columns: By (retriever, metric), of one data set.
        baseline: A retriever; columns without a counterpart of it are not compared.
    """
    pairs = {
        name: (columns[baseline, name[1]], column)
        for name, column in columns.items()
        if name[0] != baseline
        and (baseline, name[1]) in columns
        and columns[baseline, name[1]].queries == column.queries
    }
    found = [paired_difference(*pair) for pair in pairs.values()]
    marks = {}
    for name, difference, p in zip(pairs, found, holm([each.p for each in found]), strict=True):
        gain = difference.difference * sign(name[1])
        marks[name] = "" if p >= 1 - LEVEL or gain == 0 else BETTER if gain > 0 else WORSE
    return marks


def align(cells: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and whose others are numbers, readable as it is."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]

    def line(row: Sequence[str]) -> str:
        first, *numbers = (
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return "| " + " | ".join([first, *numbers]) + " |"

    rule = line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def _cell(row: Row, metric: str, marks: Mapping[tuple[str, str], str], width: int) -> str:
    if metric not in row.mean:
        return "-".ljust(1 + width)
    return f"{row.mean[metric]:.3f}" + f" {marks.get((row.retriever, metric), '')}".ljust(width)[:width]


def _range(interval: Interval | None) -> str:
    return "-" if interval is None or interval.low != interval.low else f"{interval.low:.3f} to {interval.high:.3f}"


def _legend(columns: Mapping[tuple[str, str], Column], baseline: str, compared: int) -> str:
    sizes = sorted({len(column.queries) for column in columns.values()})
    text = f"Bootstrap over {' or '.join(f'{n:,}' for n in sizes)} queries"
    if compared:
        text += (
            f"; {BETTER} better, {WORSE} worse than {baseline}: paired test, p < {1 - LEVEL:.2f} "
            f"after Holm's correction for {compared} comparisons"
        )
    return text + "."
