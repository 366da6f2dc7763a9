"""What a benchmark is: which data sets, and which means of their scores are reported."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from embedder.data.queries import GROUPS
from embedder.errors import ConfigError, DataError, check_types
from embedder.evaluation.table import Row
from embedder.metrics.groups import group_means, macro_mean
from embedder.types import Query


@dataclass(frozen=True)
class Benchmark:
    """A named protocol. Task, prompt, consumer and cutoffs are settings of the run that its config chooses.

    Args:
        name: As in results.
        datasets: Names of the data sets of a folder that belong to it; None for all of its task.
        groups: Fields of queries whose parts are reported apart, such as `type`.
        macro: The field whose parts count the same in a mean of their means; None for no such mean.
        categories: Names of tasks (`task_name`) by category, for queries that do not name their category.
        mean: Whether the mean over its data sets is reported.
        metrics: What counts for a task (`task_name`), where that is not accuracy; it adds the metric `score`, which can
            be averaged over tasks of multiple choice and of generation. None for no such metric.
    """

    name: str
    datasets: Sequence[str] | None = None
    groups: Sequence[str] = ()
    macro: str | None = None
    categories: Mapping[str, Sequence[str]] | None = None
    mean: bool = False
    metrics: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        check_types(self, "benchmark")
        for field in (*self.groups, *([] if self.macro is None else [self.macro])):
            if field not in GROUPS:
                raise ConfigError("benchmark.groups and benchmark.macro", f"fields among {list(GROUPS)}", field)
        names = [name for members in (self.categories or {}).values() for name in members]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError("benchmark.categories", "each task in one category", f"{twice[0]!r} twice")

    def group(self, query: Query, field: str) -> str:
        """The part of the data set that a query is in; empty for none.

        Raises:
            DataError: It names a task that is in no category.
        """
        if (own := query.group(field)) or field != "category" or not (task := query.group("task_name")):
            return own
        category = next((name for name, tasks in (self.categories or {}).items() if task in tasks), None)
        if category is None:
            raise DataError(
                "benchmark.categories", None, f"query {query.id!r} is of the task {task!r}, which is in no category"
            )
        return category

    def check(self, queries: Iterable[Query]) -> None:
        """See that every query has a place in the parts.

        Raises:
            DataError: One is of a task that is in no category.
        """
        if "category" in (*self.groups, self.macro):
            for query in queries:
                self.group(query, "category")

    def part_means(self, queries: Iterable[Query], per_query: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """Means of parts, as `em[gold=yes]`, and the mean of part means, as `em[macro category]`.

        Args:
            queries: All that have a value.
            per_query: Metric -> query id -> value.
        """
        by_id = {query.id: query for query in queries}
        score = self._score(by_id, per_query)
        means = {"score": fmean(score.values())} if score else {}
        per_query = dict(per_query) | ({"score": score} if score else {})
        for field in dict.fromkeys((*self.groups, *([] if self.macro is None else [self.macro]))):
            groups = {query_id: self.group(query, field) for query_id, query in by_id.items()}
            for metric, values in per_query.items():
                parts = group_means(values, groups)
                if field in self.groups:
                    means |= {f"{metric}[{field}={part}]": mean for part, mean in parts.items()}
                macro = macro_mean(values, groups) if field == self.macro else None
                means |= {} if macro is None else {f"{metric}[macro {field}]": macro}
        return means

    def _score(self, queries: Mapping[str, Query], per_query: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """The value that counts of every query that has it."""
        if self.metrics is None:
            return {}
        counts = {name: self.metrics.get(query.group("task_name"), "accuracy") for name, query in queries.items()}
        return {name: per_query[metric][name] for name, metric in counts.items() if name in per_query.get(metric, {})}

    def dataset_means(self, rows: Sequence[Row]) -> list[Row]:
        """For each task and retriever the mean over data sets of every metric that all of them have.

        Args:
            rows: One for each data set and retriever.

        Returns:
            Rows without values of queries; none unless `mean` is set and two data sets or more have a metric in common.
        """
        found = []
        for task, retriever in dict.fromkeys((row.task, row.retriever) for row in rows):
            own = [row for row in rows if (row.task, row.retriever) == (task, retriever)]
            if not self.mean or len(own) < 2:
                continue
            shared = [metric for metric in own[0].mean if all(metric in row.mean for row in own)]
            if not shared:
                continue
            means = {metric: fmean(row.mean[metric] for row in own) for metric in shared}
            protocol = {"mean_of": {row.dataset: row.protocol.get("files") for row in own}}
            found.append(Row(task, f"mean of {len(own)}", retriever, means, {}, protocol))
        return found
