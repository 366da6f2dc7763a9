"""What a benchmark is: which data sets, which parts of them are reported, and what counts for a query."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedder.checks import checked
from embedder.data.queries import GROUPS
from embedder.errors import ConfigError, DataError
from embedder.types import Query

_WITH_OPTIONS = "accuracy"
"""What counts for a query that has options."""


@checked("benchmark")
@dataclass(frozen=True)
class Benchmark:
    """A named protocol. Task, prompt, consumer and cutoffs are settings of the run that its config chooses.

    Args:
        name: As in results.
        datasets: Names of the data sets of a folder that belong to it; None for all of its task.
        groups: Fields of queries whose parts are reported separately, such as `type`.
        macro: Fields whose parts count the same in a mean of their means, the outer one first: `[category, task_name]`
            is the mean of categories, each of which is the mean of its tasks.
        categories: Names of tasks (`task_name`) by category, for queries that do not name their category.
        metrics: What counts for a task (`task_name`) whose queries have no options; where it is set, the metric `score`
            is it for these tasks and accuracy for the others, and can be averaged over both.
    """

    name: str
    datasets: Sequence[str] | None = None
    groups: Sequence[str] = ()
    macro: Sequence[str] = ()
    categories: Mapping[str, Sequence[str]] | None = None
    metrics: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for field in self._fields:
            if field not in GROUPS:
                raise ConfigError("benchmark.groups and benchmark.macro", f"fields among {list(GROUPS)}", field)
        if len(self.macro) > 2:
            raise ConfigError("benchmark.macro", "one field, or two", list(self.macro))
        names = [name for members in (self.categories or {}).values() for name in members]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError("benchmark.categories", "each task in one category", f"{twice[0]!r} twice")

    @property
    def _fields(self) -> list[str]:
        return list(dict.fromkeys((*self.groups, *self.macro)))

    def check(self, queries: Iterable[Query], *, answered: bool = True) -> None:
        """Check that every query belongs to a part, and that its task has a metric.

        Args:
            queries: All of a data set.
            answered: Whether an LLM answers them.

        Raises:
            DataError: One is of a task that is in no category, or of which nothing is known to count.
        """
        for query in queries:
            for field in self._fields:
                self.part(query, field)
            if answered and self.metrics is not None and not query.options:
                self._counts(query)

    def part(self, query: Query, field: str) -> str:
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

    def parts(self, queries: Iterable[Query]) -> dict[str, dict[str, str]]:
        """Field -> query id -> part, for the fields by which any query is sorted."""
        queries = list(queries)
        found = {field: {query.id: self.part(query, field) for query in queries} for field in self._fields}
        return {field: own for field, own in found.items() if any(own.values())}

    def score(self, queries: Iterable[Query], per_query: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """The metric `score` of every query that was answered; empty if the benchmark has no `metrics`.

        Args:
            queries: All of the data set.
            per_query: Metric -> query id -> value.
        """
        if self.metrics is None:
            return {}
        counts = {query.id: _WITH_OPTIONS if query.options else self._counts(query) for query in queries}
        return {name: per_query[metric][name] for name, metric in counts.items() if name in per_query.get(metric, {})}

    def protocol(self) -> dict[str, Any]:
        """What scores depend on."""
        parts = {"groups": list(self.groups), "macro": list(self.macro), "categories": self.categories}
        return {"score": self.metrics, "parts": parts}

    def _counts(self, query: Query) -> str:
        task = query.group("task_name")
        if (metric := (self.metrics or {}).get(task)) is None:
            expected = f"query {query.id!r} has no options, and nothing says what counts for its task {task!r}"
            raise DataError("benchmark.metrics", None, expected)
        return metric
