"""The tables that people read: means with their marks, 95 % intervals, parts of data sets, means over them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embedder.results.measures import main_metrics, narrowed, shown_metrics
from embedder.results.plain_text import markdown_cell
from embedder.results.resampling import Sampling
from embedder.results.row import DatasetName, Row
from embedder.results.scores import Mean, Pairs, Scores
from embedder.results.statistics import ALPHA, LEVEL
from embedder.results.verdict import Verdict, corrected

BETTER, WORSE = "▲", "▼"
MARKS = {1: BETTER, -1: WORSE, 0: ""}
"""By `Verdict.beyond_chance`."""
NONE = "-"
"""Stands where there is no number."""


@dataclass(frozen=True)
class _Cells:
    """Means by (retriever, metric), and how they compare with the baseline."""

    retrievers: list[str]
    metrics: list[str]
    means: dict[tuple[str, str], Mean]
    marks: dict[tuple[str, str], str]


def render(
    rows: Sequence[Row],
    baseline: str = "base encoder",
    sampling: Sampling | None = Sampling(),  # noqa: B008  # frozen
    most: int | None = None,
) -> str:
    """Markdown tables of means, marked against the baseline, and of their 95 % intervals.

    For each data set, then for its parts where it has any, then for the mean over the data sets of each task that has
    several, then for the mean of tasks. Every row is compared with the baseline query by query; p-values are corrected
    for all comparisons of a table. Tables of several data sets may be rendered one by one and joined.

    Args:
        rows: The scores; a dash stands where a metric does not apply, or where a retriever lacks a data set.
        baseline: Title of the row that others are compared with; without such a row nothing is marked.
        sampling: How intervals and p-values are drawn; None for the means of data sets alone, as while an evaluation is
            under way.
        most: Columns of metrics at most, for a terminal; parts are left out, and marks stay those of the full table.
    """
    if sampling is None:
        return "\n\n".join(_bare(Scores(rows), name) for name in Scores(rows).datasets())
    scores = Scores(rows, sampling)
    blocks = []
    for name in scores.datasets():
        blocks.append(_block("/".join(name), scores, [name], baseline, most))
        blocks += _part_tables(scores, name, baseline) if most is None else []
    for task in scores.tasks:
        if len(datasets := scores.datasets(task)) > 1:
            blocks.append(_block(f"{task}, mean of data sets", scores, datasets, baseline, most))
    if len(scores.tasks) > 1:
        blocks.append(_block("mean of tasks", scores, scores.datasets(), baseline, most))
    return "\n\n".join(block for block in blocks if block)


def _bare(scores: Scores, name: DatasetName) -> str:
    """The means of one data set."""
    rows = scores.of(name)
    available = {metric for row in rows for metric in row.mean}
    shown = shown_metrics(available)
    lines = [[row.retriever, *(f"{row.mean[m]:.3f}" if m in row.mean else NONE for m in shown)] for row in rows]
    return align([["/".join(name), *shown], *lines])


def _block(title: str, scores: Scores, datasets: Sequence[DatasetName], baseline: str, most: int | None = None) -> str:
    """Means and intervals over some data sets; empty where none has a value."""
    available = scores.metrics(datasets)
    shown = shown_metrics(available)
    cells = _cells(scores, datasets, shown, baseline)
    if not cells.means:
        return ""
    columns = shown if most is None else narrowed(shown, most)
    over = scores.partly(columns, datasets)
    heads = [f"{metric}{over.get(metric, '')}" for metric in columns]
    width = 2 * any(cells.marks.values())
    means = [[who, *(_cell(cells, who, m, width) for m in columns)] for who in cells.retrievers]
    ranges = [[who, *(interval_cell(cells.means.get((who, m))) for m in columns)] for who in cells.retrievers]
    tables = align([[title, *heads], *means]), align([[f"{100 * LEVEL:.0f} % intervals", *heads], *ranges])
    return "\n\n".join([*tables, _legend(scores, datasets, cells, baseline)])


def _part_tables(scores: Scores, name: DatasetName, baseline: str) -> list[str]:
    """The main metrics of the parts by each field that sorts the queries; last the mean that counts parts the same."""
    title, rows, available = "/".join(name), scores.of(name), scores.metrics([name])
    metrics = main_metrics(shown_metrics(available))
    tables = [
        _part_table(f"{title}, {metric} by {field}", scores.parts(name, [field]), metric)
        for field in dict.fromkeys(field for row in rows for field in row.parts)
        for metric in metrics
    ]
    if (macro := scores.macro(name)) is not None:
        of_macro, parts = macro
        tables.append(_block(of_macro, parts, parts.datasets(), baseline))
    return tables


def _part_table(title: str, parts: Scores, metric: str) -> str:
    """One metric: a line for each part, a column for each retriever."""
    names = parts.with_metric(metric, parts.datasets())
    retrievers = [who for who in parts.retrievers if any(parts.values(metric, name, who) for name in names)]
    lines = []
    for name in names:
        rows = [parts.row(name, who) for who in retrievers]
        n = max(len(row.per_query.get(metric, ())) for row in rows if row is not None)
        values = [None if row is None else row.mean.get(metric) for row in rows]
        lines.append([name[1], f"{n:,}", *(NONE if value is None else f"{value:.3f}" for value in values)])
    return align([[title, "queries", *retrievers], *lines]) if lines else ""


def _cells(scores: Scores, datasets: Sequence[DatasetName], metrics: Sequence[str], baseline: str) -> _Cells:
    present = [who for who in scores.retrievers if any(scores.row(name, who) for name in datasets)]
    means = {(who, m): mean for who in present for m in metrics if (mean := scores.mean(m, who, datasets)) is not None}
    pairs = {
        (who, m): pair
        for who, m in means
        if who != baseline and (pair := scores.pairs(m, who, baseline, datasets)) is not None
    }
    retrievers = [who for who in present if len(datasets) == 1 or any((who, m) in means for m in metrics)]
    return _Cells(retrievers, list(metrics), means, marks(baseline, pairs))


def marks(baseline: str, pairs: Mapping[tuple[str, str], Pairs]) -> dict[tuple[str, str], str]:
    """Whether each retriever is better or worse than the baseline; "" where the queries cannot tell.

    Args:
        baseline: Title of the row that all are compared with.
        pairs: By (retriever, metric), the baseline first.
    """
    verdicts = corrected([Verdict.of(baseline, who, "", metric, pair) for (who, metric), pair in pairs.items()])
    return {(verdict.b, verdict.metric): MARKS[verdict.beyond_chance] for verdict in verdicts}


def difference_cells(verdict: Verdict) -> tuple[str, str, str]:
    """The difference with its mark, its interval, and p."""
    found, interval = verdict.difference, verdict.difference.interval
    return (
        f"{found.difference:+.3f} {MARKS[verdict.beyond_chance] or ' '}",
        f"{interval.low:+.3f} to {interval.high:+.3f}" if interval.is_known else NONE,
        "<0.001" if verdict.p < 0.001 else f"{verdict.p:.3f}",
    )


def interval_cell(mean: Mean | None) -> str:
    """The interval of a mean, where it has one."""
    return NONE if mean is None or mean.low is None else f"{mean.low:.3f} to {mean.high:.3f}"


def count_cell(number: int | None) -> str:
    """A whole number, where there is one."""
    return NONE if number is None else f"{number:,}"


def align(cells: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and whose others are numbers, readable as it is."""
    cells = [[markdown_cell(cell) for cell in row] for row in cells]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]

    def line(row: Sequence[str]) -> str:
        first, *numbers = (
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return "| " + " | ".join([first, *numbers]) + " |"

    rule = line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def _cell(cells: _Cells, who: str, metric: str, width: int) -> str:
    mean = cells.means.get((who, metric))
    if mean is None:
        return NONE.ljust(1 + width)
    return f"{mean.value:.3f}" + f" {cells.marks.get((who, metric), '')}".ljust(width)[:width]


def _legend(scores: Scores, datasets: Sequence[DatasetName], cells: _Cells, baseline: str) -> str:
    rows = [row for name in datasets for row in scores.of(name)]
    sizes = sorted({len(values) for row in rows for m in cells.metrics if (values := row.per_query.get(m))})
    text = f"Bootstrap over {_sizes(sizes)} queries"
    if cells.marks:
        text += (
            f"; {BETTER} better, {WORSE} worse than {baseline}: paired test, p < {ALPHA:.2f} "
            f"after Holm's correction for {len(cells.marks)} comparisons"
        )
    return f"{text}.{_left_out(rows)}"


def _left_out(rows: Sequence[Row]) -> str:
    """Which queries have no value, and why; as the protocols of the rows have it."""
    protocols = {row.of: row.protocol for row in rows}.values()
    left_out = Counter[str]()
    for protocol in protocols:
        left_out.update(protocol.get("left_out", {}))
    n = sum(protocol.get("queries", 0) for protocol in protocols)
    counts = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
    return f" Left out of {n:,} queries: {counts}." if counts else ""


def _sizes(sizes: Sequence[int]) -> str:
    return " or ".join(f"{n:,}" for n in sizes) if len(sizes) < 4 else f"{sizes[0]:,} to {sizes[-1]:,}"
