"""One retriever of A and one of B: the data sets and metrics that both have, and what they say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from embedder.results.changed_queries import ChangedQueries, changed_queries
from embedder.results.measures import BINARY, is_given, main_metrics, shown_metrics
from embedder.results.protocols import check_comparable
from embedder.results.row import DatasetName, Row
from embedder.results.scores import Scores
from embedder.results.scores_file import Results
from embedder.results.verdict import Verdict


@dataclass(frozen=True)
class CommonDataset:
    """What is compared on one data set, and by which metrics changes are listed."""

    a: Row
    b: Row
    metrics: list[str]
    listed: list[str]


@dataclass(frozen=True)
class CommonRows:
    """A retriever of A and one of B, by their titles, and what is compared on the data sets that both have."""

    a: str
    b: str
    datasets: dict[DatasetName, CommonDataset]

    @classmethod
    def of(
        cls,
        a: Results,
        b: Results,
        titles: tuple[str, str],
        metrics: Sequence[str] | None,
        listed: Sequence[str] | None,
    ) -> Self:
        """Find what the two have in common.

        Args:
            a: One evaluation.
            b: The other, or the same.
            titles: Of the row of A and of B.
            metrics: What is compared; None for the metrics of the table.
            listed: By which metrics changes are listed; None for the main ones.

        Raises:
            ProtocolError: Rows of a data set were measured in different ways.
        """
        found = {}
        for name in a.scores.datasets():
            row_a, row_b = a.scores.row(name, titles[0]), b.scores.row(name, titles[1])
            if row_a is None or row_b is None:
                continue
            both = [metric for metric in row_a.per_query if metric in row_b.per_query]
            compared = _compared([m for m in both if not any(is_given(m, title) for title in titles)], metrics)
            if compared:
                of_changes = main_metrics(compared) if listed is None else [m for m in listed if m in both]
                check_comparable(row_a, row_b, [*compared, *of_changes])
                found[name] = CommonDataset(row_a, row_b, compared, of_changes)
        return cls(*titles, found)

    def rows(self) -> Iterator[Row]:
        """Both rows of each data set with the metrics that are compared, under titles that tell A from B."""
        for dataset in self.datasets.values():
            for title, row in ((f"A {self.a}", dataset.a), (f"B {self.b}", dataset.b)):
                yield replace(row, retriever=title, per_query={m: row.per_query[m] for m in dataset.metrics})

    def changes(self) -> Iterator[ChangedQueries]:
        """The queries that changed, by the metrics that are listed."""
        for dataset in self.datasets.values():
            for metric in dataset.listed:
                yield changed_queries(dataset.a, dataset.b, metric)

    def verdicts(self, scores: Scores) -> list[Verdict]:
        """One for each data set and metric; `needed` for metrics of 0 and 1 alone.

        Args:
            scores: Of these rows, among others.
        """
        found = [
            self._verdict("/".join(name), metric, scores, [name])
            for name, dataset in self.datasets.items()
            for metric in dataset.metrics
        ]
        return [verdict if verdict.metric in BINARY else replace(verdict, needed=None) for verdict in found]

    def verdicts_of_means(self, scores: Scores) -> list[Verdict]:
        """One for each mean: of the parts of a data set, of the data sets of a task, of tasks."""
        found = [*self._over_parts(scores), *self._over_datasets(scores)]
        return [replace(verdict, needed=None) for verdict in found]

    def _over_parts(self, scores: Scores) -> Iterator[Verdict]:
        """The mean that counts the parts of a data set the same, where a benchmark has one."""
        for name, dataset in self.datasets.items():
            own = [row for row in self.rows() if row.of == name]
            macro = replace(scores, rows=own).macro(name)
            if macro is None or dataset.a.parts != dataset.b.parts:
                continue
            scope, parts = macro
            for metric in parts.metrics(parts.datasets()):
                yield self._verdict(scope, metric, parts, parts.datasets())

    def _over_datasets(self, scores: Scores) -> Iterator[Verdict]:
        """The mean over the data sets of each task, then the mean over tasks, of each metric that several have."""
        by_metric: dict[str, dict[str, list[DatasetName]]] = {}
        for name, dataset in self.datasets.items():
            for metric in dataset.metrics:
                by_metric.setdefault(metric, {}).setdefault(name[0], []).append(name)
        for metric, tasks in by_metric.items():
            for task, names in tasks.items():
                if len(names) > 1:
                    yield self._verdict(f"{task}, mean of {len(names)}", metric, scores, names)
        for metric, tasks in by_metric.items():
            if len(tasks) > 1:
                all_names = [name for names in tasks.values() for name in names]
                yield self._verdict(f"mean of {len(tasks)} tasks", metric, scores, all_names)

    def _verdict(self, scope: str, metric: str, scores: Scores, names: Sequence[DatasetName]) -> Verdict:
        pairs = scores.pairs(metric, f"B {self.b}", f"A {self.a}", names)
        assert pairs is not None  # noqa: S101  # both rows have the same queries, or `of` had refused them
        return Verdict.of(self.a, self.b, scope, metric, pairs)


def _compared(both: list[str], wanted: Sequence[str] | None) -> list[str]:
    """Of the metrics that both rows have, those that are wanted, or else those of the table."""
    if wanted:
        return [metric for metric in wanted if metric in both]
    if "log_likelihood" in both:
        both = [metric for metric in both if metric != "gain"]  # its differences are those of log_likelihood
    return shown_metrics(both)
