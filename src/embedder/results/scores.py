"""The rows of an evaluation, by data set, retriever and metric: means with intervals, paired differences."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, TypeVar

from embedder.results.measures import EXPONENTIAL, UNBOUNDED, averaged, is_given, is_retrieval, shown_metrics
from embedder.results.resampling import Column, Sampling, Values, resample
from embedder.results.row import DatasetName, Row, split
from embedder.results.statistics import Difference, Interval, macro_difference, macro_interval, nested_weights

Name = TypeVar("Name", bound=tuple[str, ...])


@dataclass(frozen=True)
class Mean:
    """A mean over queries (and data sets), with its 95 % interval."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, value: float, interval: Interval | None) -> Self:
        """With the interval, where it says something."""
        if interval is None or not interval.is_known:
            return cls(value, None, None)
        return cls(value, interval.low, interval.high)


@dataclass(frozen=True)
class Pairs:
    """Two retrievers by one metric: what one and the other have on each data set, and how much each counts."""

    columns: list[tuple[Column, Column]]
    weights: list[float]

    @property
    def difference(self) -> Difference:
        """What the second has more than the first."""
        return macro_difference(self.columns, self.weights)


@dataclass(frozen=True)
class Scores:
    """Scores of every query. In a mean over data sets each task counts the same, and each data set in its task.

    Args:
        rows: With values of queries, as `read_results` returns them.
        sampling: How intervals and p-values are drawn; by default as for the written table, so that both agree.
        every_metric: Draw for all metrics of the rows, not only for those that tables and pages show.
    """

    rows: Sequence[Row]
    sampling: Sampling = Sampling()  # noqa: RUF009  # frozen
    every_metric: bool = False

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
        return list(dict.fromkeys(row.of for row in self.rows if task in (None, row.task)))

    def of(self, dataset: DatasetName) -> list[Row]:
        """The rows of a data set."""
        return [row for row in self.rows if row.of == dataset]

    def metrics(self, datasets: Collection[DatasetName]) -> list[str]:
        """All that any retriever was scored by."""
        return list(dict.fromkeys(m for row in self.rows if row.of in datasets for m in row.per_query))

    def row(self, dataset: DatasetName, retriever: str) -> Row | None:
        """One row, where there is one."""
        return next((row for row in self.of(dataset) if row.retriever == retriever), None)

    def parts(self, dataset: DatasetName, fields: Sequence[str]) -> "Scores":
        """The parts of a data set as data sets of their own; see `split`."""
        return replace(self, rows=[part for row in self.of(dataset) if row.parts for part in split(row, fields)])

    def everywhere(self) -> "Scores":
        """With no metrics but those that every data set has for some retriever."""
        names = self.datasets()
        kept = [metric for metric in self.metrics(names) if len(self.with_metric(metric, names)) == len(names)]
        rows = [
            replace(row, per_query={metric: own for metric, own in row.per_query.items() if metric in kept})
            for row in self.rows
        ]
        return replace(self, rows=rows)

    def with_metric(self, metric: str, datasets: Sequence[DatasetName]) -> list[DatasetName]:
        """The data sets on which any retriever has the metric."""
        return [name for name in datasets if any(self.values(metric, name, who) for who in self.retrievers)]

    def partly(self, metrics: Sequence[str], datasets: Sequence[DatasetName]) -> dict[str, str]:
        """How many data sets have each metric, as ` (of 2)`; empty where that is the same for all."""
        counts = {metric: len(self.with_metric(metric, datasets)) for metric in metrics}
        return {metric: f" (of {n})" for metric, n in counts.items() if len(set(counts.values())) > 1}

    def values(self, metric: str, dataset: DatasetName, retriever: str) -> dict[str, float]:
        """Query id -> value. Empty where the retriever was not scored."""
        row = self.row(dataset, retriever)
        return {} if row is None else row.per_query.get(metric, {})

    def value(self, metric: str, retriever: str, datasets: Sequence[DatasetName]) -> float | None:
        """The mean of a retriever; None where it lacks a data set: a mean over others is not comparable."""
        names = self.with_metric(metric, datasets)
        rows = [row for name in names if (row := self.row(name, retriever)) and metric in row.per_query]
        if not rows or len(rows) < len(names):
            return None
        return sum(weight * row.mean[metric] for weight, row in zip(nested_weights(names), rows, strict=True))

    def mean(self, metric: str, retriever: str, datasets: Sequence[DatasetName]) -> Mean | None:
        """`value` with its interval."""
        if (value := self.value(metric, retriever, datasets)) is None:
            return None
        names = self.with_metric(metric, datasets)
        weights = nested_weights(names)
        drawn = [self._columns[name, retriever, metric] for name in names if (name, retriever, metric) in self._columns]
        return Mean.of(value, macro_interval(drawn, weights) if len(drawn) == len(names) else None)

    def means(self, metric: str, datasets: Sequence[DatasetName]) -> dict[str, Mean]:
        """The mean of every retriever that has one."""
        found = {who: self.mean(metric, who, datasets) for who in self.retrievers}
        return {who: mean for who, mean in found.items() if mean is not None}

    def macro(self, dataset: DatasetName) -> "tuple[str, Scores] | None":
        """What the mean is called that counts the parts of a data set the same, and the parts; None if it has none."""
        fields = next((row.macro for row in self.of(dataset) if row.macro and row.macro[0] in row.parts), None)
        if fields is None:
            return None
        return f"{'/'.join(dataset)}, mean by {' and '.join(fields)}", self.parts(dataset, fields).everywhere()

    def pairs(self, metric: str, retriever: str, other: str, datasets: Sequence[DatasetName]) -> Pairs | None:
        """The other and the retriever on each data set, over the queries that both have.

        Returns:
            None where one of them lacks a data set, or its values hold by definition.
        """
        found = []
        names = self.with_metric(metric, datasets)
        for name in names:
            a, b = self._columns.get((name, other, metric)), self._columns.get((name, retriever, metric))
            if a is None or b is None:
                return None
            if a.queries != b.queries:
                sides = {"a": self.values(metric, name, other), "b": self.values(metric, name, retriever)}
                shared = sides["a"].keys() & sides["b"].keys()
                if not shared:
                    return None
                values = {(side, metric): {query: own[query] for query in shared} for side, own in sides.items()}
                drawn = _drawn(values, self.sampling, name)
                a, b = drawn["a", metric], drawn["b", metric]
            found.append((a, b))
        return Pairs(found, nested_weights(names)) if found else None

    @cached_property
    def _columns(self) -> dict[tuple[DatasetName, str, str], Column]:
        """What is shown of each data set, drawn together."""
        found: dict[tuple[DatasetName, str, str], Column] = {}
        for name in self.datasets():
            metrics = self.metrics([name])
            shown = shown_metrics(metrics)
            if not self.every_metric:
                metrics = [m for m in metrics if m in shown or m.startswith("ndcg@") or not is_retrieval(m)]
            values = {
                (row.retriever, metric): row.per_query[metric]
                for row in self.of(name)
                for metric in metrics
                if row.per_query.get(metric) and not is_given(metric, row.retriever)
            }
            found |= {(name, *key): column for key, column in _drawn(values, self.sampling, name).items()}
        return found


def _drawn(values: Mapping[Name, Values], sampling: Sampling, dataset: DatasetName) -> dict[Name, Column]:
    """Columns of one data set, each drawn as its metric asks, which is the last word of its name."""
    additive = {
        name: {query: averaged(name[-1], value) for query, value in own.items()} for name, own in values.items()
    }
    exponential = [name for name in values if name[-1] in EXPONENTIAL]
    unbounded = [name for name in values if name[-1] in UNBOUNDED]
    return resample(additive, sampling, "/".join(dataset), exponential, unbounded)
