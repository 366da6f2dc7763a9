"""The scores of one retriever on one data set, and the parts that it can be cut into."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from embedder.results.measures import mean_of

DatasetName = tuple[str, str]
"""Task and data set."""
RowName = tuple[str, str, str]
"""Task, data set and retriever."""


@dataclass(frozen=True)
class Row:
    """The scores of one retriever, by its title, on one data set.

    Args:
        per_query: Metric -> query id -> value, so that two runs can be compared query by query.
        protocol: What the numbers depend on.
        parts: Field (such as `type`) -> query id -> the part of the data set that it is in; "" is none.
        macro: The fields whose parts count the same in a mean of their means, outer ones first.
    """

    task: str
    dataset: str
    retriever: str
    per_query: dict[str, dict[str, float]]
    protocol: dict[str, Any]
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    macro: Sequence[str] = ()

    @property
    def of(self) -> DatasetName:
        """The data set that it is of."""
        return self.task, self.dataset

    @property
    def name(self) -> RowName:
        """Which row of an evaluation it is."""
        return self.task, self.dataset, self.retriever

    @cached_property
    def mean(self) -> dict[str, float]:
        """Metric -> mean over queries (`mean_of`); every other mean is one of these."""
        return {metric: mean_of(metric, values.values()) for metric, values in self.per_query.items()}


def split(row: Row, fields: Sequence[str]) -> list[Row]:
    """A row for each combination of parts, as if each were a data set, and the outer part its task.

    Args:
        row: Of the whole data set.
        fields: One or two of its `parts`, the outer one first.
    """
    whole = f"{row.task}/{row.dataset}"
    queries: dict[tuple[str, ...], set[str]] = {}
    for query_id in row.parts[fields[0]]:
        outer, *inner = (row.parts.get(field, {}).get(query_id, "") for field in fields)
        if outer:
            queries.setdefault((outer, *(part or outer for part in inner)), set()).add(query_id)
    found = []
    for names, own in sorted(queries.items()):
        values = {metric: {q: value for q, value in all_.items() if q in own} for metric, all_ in row.per_query.items()}
        task = whole if len(names) == 1 else f"{whole}, {names[0]}"
        per_query = {metric: kept for metric, kept in values.items() if kept}
        found.append(Row(task, names[-1], row.retriever, per_query, row.protocol))
    return found
