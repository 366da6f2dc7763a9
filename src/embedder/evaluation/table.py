"""The table that people read and the rows that programs read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PREFERRED = ("ndcg@5", "ndcg@10", "recall@10", "mrr@10")
_ANSWERS = ("em", "f1", "contains", "accuracy", "perplexity", "log_likelihood", "gain", "place", "harm")


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


def render(rows: Sequence[Row], cutoffs: Sequence[int] = (5, 10)) -> str:
    """A Markdown table for each data set; a dash where a metric does not apply.

    Args:
        rows: The scores.
        cutoffs: Places at which ranking metrics were cut; where 5 and 10 are not among them, the largest is shown.
    """
    last = max(cutoffs)
    ranking = [name for name in _PREFERRED if int(name.partition("@")[2]) in cutoffs]
    columns = (*(ranking or (f"ndcg@{last}", f"recall@{last}", f"mrr@{last}")), *_ANSWERS)
    tables = []
    for task, dataset in dict.fromkeys((row.task, row.dataset) for row in rows):
        own = [row for row in rows if (row.task, row.dataset) == (task, dataset)]
        shown = [column for column in columns if any(column in row.mean for row in own)]
        cells = [[row.retriever, *(f"{row.mean[c]:.3f}" if c in row.mean else "-" for c in shown)] for row in own]
        tables.append(_align([[f"{task}/{dataset}", *shown], *cells]))
    return "\n\n".join(tables)


def _align(cells: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]

    def line(row: Sequence[str]) -> str:
        first, *numbers = (
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return "| " + " | ".join([first, *numbers]) + " |"

    rule = line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])
