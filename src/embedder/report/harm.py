"""What retrieval breaks and what it mends: answers that were right alone, and answers that became right."""

from dataclasses import dataclass

from embedder.report.intervals import Groups, Statistics, mean_of_means
from embedder.report.leaderboard import Mean
from embedder.report.scores import Scores

_ALONE = "no retrieval"
_RIGHT = ("em", "popqa_accuracy", "accuracy", "contains")


@dataclass(frozen=True)
class Harm:
    """One retriever on the queries of one task, set against the LLM alone."""

    task: str
    metric: str
    """What counts as right: a value of 1."""
    retriever: str
    queries: int
    mended: Mean
    """Share of queries: wrong alone, right with retrieval."""
    harmed: Mean
    """Share of queries: right alone, wrong with retrieval."""
    counts: tuple[int, int]
    """Queries mended, and harmed."""


def harms(scores: Scores, statistics: Statistics) -> list[Harm]:
    """Every retriever against the row without retrieval, where the LLM answered in both.

    Computed from the answers of both rows, so that it needs no column of its own.
    """
    found = []
    for task in scores.tasks:
        datasets = scores.datasets(task)
        metric = next((name for name in _RIGHT if scores.values(name, _ALONE, datasets) is not None), None)
        for who in scores.retrievers if metric is not None else []:
            if who == _ALONE or (gaps := scores.differences(metric or "", who, _ALONE, datasets)) is None:
                continue
            mended, harmed = ([(sign * gap >= 1).astype(float) for gap in gaps] for sign in (1, -1))
            found.append(
                Harm(
                    task=task,
                    metric=metric or "",
                    retriever=who,
                    queries=sum(map(len, gaps)),
                    mended=_mean(mended, statistics),
                    harmed=_mean(harmed, statistics),
                    counts=(_count(mended), _count(harmed)),
                )
            )
    return found


def _mean(groups: Groups, statistics: Statistics) -> Mean:
    return Mean(mean_of_means(groups), *(statistics.interval(groups) or (None, None)))


def _count(groups: Groups) -> int:
    return int(sum(group.sum() for group in groups))
