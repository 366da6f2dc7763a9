"""The best retrievers: by how much they lead, whether beyond chance; and which two the page compares."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from embedder.report.leaderboard import ranked
from embedder.report.measures import compared
from embedder.results.scores import Mean, Scores
from embedder.results.titles import ALONE
from embedder.results.verdict import Verdict, corrected


@dataclass(frozen=True)
class Leader:
    """The best retriever of a scenario by one metric."""

    task: str
    metric: str
    best: str
    tied: tuple[str, ...]
    """Others with the same mean."""
    mean: Mean
    ahead: Verdict | None
    """The best against the next best; None if no other retriever was scored."""


def leaders(scores: Scores) -> list[Leader]:
    """For every scenario and headline metric: who leads, and over whom. Corrected over all of them."""
    found = []
    for task in scores.tasks:
        datasets = scores.datasets(task)
        for metric in compared(scores.metrics(datasets)):
            means = scores.means(metric, datasets)
            if order := ranked(metric, means):
                ahead = _verdict(task, metric, order[0], order[1], scores) if len(order) > 1 else None
                tied = tuple(who for who in order[1:] if means[who].value == means[order[0]].value)
                found.append(Leader(task, metric, order[0], tied, means[order[0]], ahead))
    verdicts = iter(corrected([leader.ahead for leader in found if leader.ahead is not None]))
    return [leader if leader.ahead is None else replace(leader, ahead=next(verdicts)) for leader in found]


def against(baseline: str, scores: Scores) -> list[Verdict]:
    """Every retriever against the baseline, by the headline metrics of every scenario, corrected over all of them."""
    found = [
        _verdict(task, metric, who, baseline, scores)
        for task in scores.tasks
        for metric in compared(scores.metrics(scores.datasets(task)))
        for who in scores.retrievers
        if who != baseline
    ]
    return corrected([verdict for verdict in found if verdict is not None])


def of_candidate(candidate: str, verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """The candidate against the baseline, by task: what the page says first."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.b == candidate:
            found.setdefault(verdict.scope, []).append(verdict)
    return found


def _verdict(task: str, metric: str, who: str, other: str, scores: Scores) -> Verdict | None:
    """A retriever against another over the data sets of a scenario; None where they share no queries."""
    pairs = scores.pairs(metric, who, other, scores.datasets(task))
    return None if pairs is None else Verdict.of(other, who, task, metric, pairs)


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
        if order := [who for who in ranked(metric, scores.means(metric, names)) if who != without]:
            return order[0]
    return next((who for who in scores.retrievers if who != without), None)
