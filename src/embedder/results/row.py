"""The scores of one retriever on one data set, and the parts that it can be cut into."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from embedder.results.measures import averaged, mean_of_nats


@dataclass(frozen=True)
class Row:
    """The scores of one retriever on one data set.

    Args:
        task: Its name.
        dataset: Its name.
        retriever: Its title.
        mean: Metric -> mean over queries.
        per_query: Metric -> query id -> value, so that two runs can be compared query by query.
        protocol: What the numbers depend on.
        parts: Field (such as `type`) -> query id -> the part of the data set that it is in; "" is none.
        macro: The fields whose parts count the same in a mean of their means, outer ones first.
    """

    task: str
    dataset: str
    retriever: str
    mean: dict[str, float]
    per_query: dict[str, dict[str, float]]
    protocol: dict[str, Any]
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    macro: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return dict(vars(self)) | {"macro": list(self.macro)}


def split(row: Row, fields: Sequence[str]) -> list[Row]:
    """A row for each combination of parts, as if each were a data set, and the outer part its task.

    Args:
        row: Of the whole data set.
        fields: One or two of its `parts`, the outer one first.
    """
    whole = f"{row.task}/{row.dataset}"
    queries: dict[tuple[str, ...], list[str]] = {}
    for query_id in row.parts[fields[0]]:
        outer, *inner = (row.parts.get(field, {}).get(query_id, "") for field in fields)
        if outer:
            queries.setdefault((outer, *(one or outer for one in inner)), []).append(query_id)
    found = []
    for names in sorted(queries):
        mean, per_query = {}, {}
        for metric, values in row.per_query.items():
            own = averaged(metric, values, row.mean[metric]) or {}
            if some := {query_id: own[query_id] for query_id in queries[names] if query_id in own}:
                per_query[metric], mean[metric] = some, mean_of_nats(metric, some.values())
        task = whole if len(names) == 1 else f"{whole}, {names[0]}"
        found.append(Row(task, names[-1], row.retriever, mean, per_query, row.protocol))
    return found
