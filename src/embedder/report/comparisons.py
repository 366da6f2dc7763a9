"""Who is better than whom, by how much, and whether that is more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedder.report.intervals import Statistics, holm, mean_of_means, queries_needed
from embedder.report.leaderboard import Mean, mean, ranked
from embedder.report.measures import headlines, is_lower_better
from embedder.report.scores import DatasetName, Scores

_LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """Paired differences of two retrievers over the same queries, on the scale of the metric."""

    task: str
    metric: str
    first: str
    second: str
    value: float
    low: float | None
    high: float | None
    p_value: float
    """Corrected by Holm for the comparisons beside it."""
    queries: int
    better: int
    """Queries on which the first is better."""
    worse: int
    needed: int | None
    """Queries that would show a difference of this size."""

    @property
    def is_significant(self) -> bool:
        """At the 5 % level, after correction."""
        return self.p_value < _LEVEL

    @property
    def is_gain(self) -> bool:
        """Whether the first is the better one."""
        return (self.value < 0) == is_lower_better(self.metric) and self.value != 0


@dataclass(frozen=True)
class Verdict:
    """The best retriever of a scenario by one metric."""

    task: str
    metric: str
    best: str
    mean: Mean
    ahead: Difference | None
    """Of the next best; None where nobody else was scored."""


def verdicts(scores: Scores, statistics: Statistics) -> list[Verdict]:
    """For every scenario and headline metric: who leads, and over whom. Corrected over all of them."""
    found: list[tuple[str, str, str, Mean, Difference | None]] = []
    for task in scores.tasks:
        datasets = scores.datasets(task)
        for metric in headlines(scores.metrics(datasets)).values():
            means = {
                who: value
                for who in scores.retrievers
                if (value := mean(metric, who, scores, datasets, statistics)) is not None
            }
            order = ranked(metric, means)
            if not order:
                continue
            ahead = difference(task, metric, order[0], order[1], scores, statistics) if len(order) > 1 else None
            found.append((task, metric, order[0], means[order[0]], ahead))
    corrected = iter(_corrected([ahead for *_, ahead in found if ahead is not None]))
    return [
        Verdict(task, metric, best, value, None if ahead is None else next(corrected))
        for task, metric, best, value, ahead in found
    ]


def against(baseline: str, scores: Scores, statistics: Statistics) -> list[Difference]:
    """Every retriever against the baseline, by the headline metrics of every scenario, corrected over all of them."""
    found = [
        difference(task, metric, who, baseline, scores, statistics)
        for task in scores.tasks
        for metric in headlines(scores.metrics(scores.datasets(task))).values()
        for who in scores.retrievers
        if who != baseline
    ]
    return _corrected([one for one in found if one is not None])


def difference(
    task: str, metric: str, first: str, second: str, scores: Scores, statistics: Statistics
) -> Difference | None:
    """Two retrievers over the data sets of a scenario; None where they share no queries."""
    groups = scores.differences(metric, first, second, scores.datasets(task))
    if groups is None:
        return None
    low, high = statistics.difference(groups) or (None, None)
    sign = -1 if is_lower_better(metric) else 1
    return Difference(
        task=task,
        metric=metric,
        first=first,
        second=second,
        value=mean_of_means(groups),
        low=low,
        high=high,
        p_value=statistics.p_value(groups),
        queries=sum(map(len, groups)),
        better=sum(int((sign * group > 0).sum()) for group in groups),
        worse=sum(int((sign * group < 0).sum()) for group in groups),
        needed=queries_needed(groups),
    )


def _corrected(found: Sequence[Difference]) -> list[Difference]:
    p_values = holm([one.p_value for one in found])
    return [Difference(**{**vars(one), "p_value": p_value}) for one, p_value in zip(found, p_values, strict=True)]


def choose_pair(scores: Scores, candidate: str | None, baseline: str | None) -> tuple[str, str] | None:
    """Which two retrievers the page sets side by side: the trained one, or the best, and what it should beat.

    Args:
        scores: The scores.
        candidate: The first of them, if the user names it.
        baseline: The second, if the user names it.

    Returns:
        Both; None where there is only one retriever.
    """
    if candidate is None:
        candidate = _candidate(scores, without=baseline)
    if candidate is None:
        return None
    if baseline is None:
        others = [who for who in scores.retrievers if who != candidate]
        usual = ("base encoder", "BM25", "no retrieval", *others)
        baseline = next((who for who in usual if who in others), None)
    return None if baseline is None else (candidate, baseline)


def _candidate(scores: Scores, without: str | None) -> str | None:
    if "trained encoder" in scores.retrievers and without != "trained encoder":
        return "trained encoder"
    names: list[DatasetName] = scores.datasets()
    for metric in headlines(scores.metrics(names)).values():
        found = {who: groups for who in scores.retrievers if (groups := scores.values(metric, who, names)) is not None}
        means = {who: Mean(mean_of_means(groups), None, None) for who, groups in found.items() if who != without}
        if order := ranked(metric, means):
            return order[0]
    return next((who for who in scores.retrievers if who != without), None)
