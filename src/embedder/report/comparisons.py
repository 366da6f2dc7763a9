"""Who is better than whom, by how much, and whether that is more than chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from embedder.metrics.sample_size import questions_needed, values_needed
from embedder.report.leaderboard import ranked
from embedder.report.measures import compared
from embedder.results.comparison import Line
from embedder.results.measures import ALONE, BINARY
from embedder.results.scores import DatasetName, Mean, Pairs, Scores
from embedder.results.statistics import holm


@dataclass(frozen=True)
class Gap:
    """What the first of two retrievers has more than the second, on the data sets of a task."""

    first: str
    second: str
    line: Line

    @property
    def mean(self) -> Mean:
        """The difference with its interval."""
        return Mean.of(self.line.difference.difference, self.line.difference.interval)


@dataclass(frozen=True)
class Verdict:
    """The best retriever of a scenario by one metric."""

    task: str
    metric: str
    best: str
    tied: tuple[str, ...]
    """Others with the same mean."""
    mean: Mean
    ahead: Gap | None
    """Of the next best; None where nobody else was scored."""


def verdicts(scores: Scores) -> list[Verdict]:
    """For every scenario and headline metric: who leads, and over whom. Corrected over all of them."""
    found = []
    for task in scores.tasks:
        datasets = scores.datasets(task)
        for metric in compared(scores.metrics(datasets)):
            means = _means(metric, scores, datasets)
            if order := ranked(metric, means):
                ahead = gap(task, metric, order[0], order[1], scores) if len(order) > 1 else None
                tied = tuple(who for who in order[1:] if means[who].value == means[order[0]].value)
                found.append(Verdict(task, metric, order[0], tied, means[order[0]], ahead))
    corrected = iter(_corrected([one.ahead for one in found if one.ahead is not None]))
    return [one if one.ahead is None else replace(one, ahead=next(corrected)) for one in found]


def against(baseline: str, scores: Scores) -> list[Gap]:
    """Every retriever against the baseline, by the headline metrics of every scenario, corrected over all of them."""
    found = [
        gap(task, metric, who, baseline, scores)
        for task in scores.tasks
        for metric in compared(scores.metrics(scores.datasets(task)))
        for who in scores.retrievers
        if who != baseline
    ]
    return _corrected([one for one in found if one is not None])


def of_candidate(candidate: str, differences: Sequence[Gap]) -> dict[str, list[Gap]]:
    """What the candidate has more than the baseline, by task: what the page says first."""
    found: dict[str, list[Gap]] = {}
    for one in differences:
        if one.first == candidate:
            found.setdefault(one.line.scope, []).append(one)
    return found


def gap(task: str, metric: str, first: str, second: str, scores: Scores) -> Gap | None:
    """Two retrievers over the data sets of a scenario; None where they share no queries."""
    pairs = scores.pairs(metric, first, second, scores.datasets(task))
    if pairs is None:
        return None
    found = pairs.difference
    return Gap(first, second, Line(task, metric, found, found.p, _needed(metric, pairs)))


def _needed(metric: str, pairs: Pairs) -> int | None:
    """Queries, over all data sets together, that would show a difference of the present size."""
    changes = [b.values - a.values for a, b in pairs.columns]
    if len(changes) == 1 and metric in BINARY:
        return questions_needed(float((changes[0] > 0).mean()), float((changes[0] < 0).mean()))
    if any(len(change) < 2 for change in changes):
        return None
    n = sum(map(len, changes))
    weighted = list(zip(pairs.weights, changes, strict=True))
    error = math.sqrt(sum(w**2 * float(change.var(ddof=1)) / len(change) for w, change in weighted))
    return values_needed(sum(w * float(change.mean()) for w, change in weighted), error * math.sqrt(n))


def _corrected(found: Sequence[Gap]) -> list[Gap]:
    p_values = holm([one.line.p for one in found])
    return [replace(one, line=replace(one.line, p=p)) for one, p in zip(found, p_values, strict=True)]


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
        usual = ("base encoder", "BM25", ALONE, *others)
        baseline = next((who for who in usual if who in others), None)
    return None if baseline is None else (candidate, baseline)


def _candidate(scores: Scores, without: str | None) -> str | None:
    if "trained encoder" in scores.retrievers and without != "trained encoder":
        return "trained encoder"
    names = scores.datasets()
    for metric in compared(scores.metrics(names)):
        means = _means(metric, scores, names)
        if order := [who for who in ranked(metric, means) if who != without]:
            return order[0]
    return next((who for who in scores.retrievers if who != without), None)


def _means(metric: str, scores: Scores, datasets: Sequence[DatasetName]) -> dict[str, Mean]:
    found = {who: scores.mean(metric, who, datasets) for who in scores.retrievers}
    return {who: value for who, value in found.items() if value is not None}
