"""The rows of an evaluation, asked for by data set, retriever and metric."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedder.evaluation.table import Row
from embedder.report.intervals import Groups

DatasetName = tuple[str, str]
"""Task and data set."""


@dataclass(frozen=True)
class Scores:
    """Scores of every query, on the scale on which they are averaged (`measures.from_scale` leads back)."""

    rows: tuple[Row, ...]

    @property
    def retrievers(self) -> list[str]:
        """In the order of the rows."""
        return list(dict.fromkeys(row.retriever for row in self.rows))

    @property
    def tasks(self) -> list[str]:
        """In the order of the rows."""
        return list(dict.fromkeys(row.task for row in self.rows))

    def datasets(self, task: str | None = None) -> list[DatasetName]:
        """Those of a task, or all."""
        return list(dict.fromkeys((row.task, row.dataset) for row in self.rows if task in (None, row.task)))

    def metrics(self, datasets: Sequence[DatasetName]) -> list[str]:
        """All that any retriever was scored by."""
        return list(dict.fromkeys(m for row in self.rows if (row.task, row.dataset) in datasets for m in row.per_query))

    def row(self, dataset: DatasetName, retriever: str) -> Row | None:
        """One row, where there is one."""
        names = (*dataset, retriever)
        return next((row for row in self.rows if (row.task, row.dataset, row.retriever) == names), None)

    def with_metric(self, metric: str, datasets: Sequence[DatasetName]) -> list[DatasetName]:
        """The data sets on which any retriever has the metric."""
        return [name for name in datasets if any(self._of(metric, name, who) for who in self.retrievers)]

    def values(self, metric: str, retriever: str, datasets: Sequence[DatasetName]) -> Groups | None:
        """Values of a retriever, by data set; None where it misses one: a mean over others is not comparable."""
        found = [self._of(metric, name, retriever) for name in self.with_metric(metric, datasets)]
        if not found or not all(found):
            return None
        return [np.array(list(values.values())) for values in found]

    def differences(self, metric: str, retriever: str, other: str, datasets: Sequence[DatasetName]) -> Groups | None:
        """First minus second for every query that both have; None where one of them misses a data set."""
        groups = []
        for name in self.with_metric(metric, datasets):
            ours, theirs = self._of(metric, name, retriever), self._of(metric, name, other)
            shared = [query for query in ours if query in theirs]
            if not shared:
                return None
            groups.append(np.array([ours[query] for query in shared]) - np.array([theirs[query] for query in shared]))
        return groups or None

    def _of(self, metric: str, dataset: DatasetName, retriever: str) -> dict[str, float]:
        row = self.row(dataset, retriever)
        return {} if row is None else row.per_query.get(metric, {})
