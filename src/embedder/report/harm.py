"""What retrieval breaks and what it mends: answers that were right alone, and answers that became right."""

from dataclasses import dataclass
from statistics import fmean

from embedder.evaluation.measures import ALONE
from embedder.evaluation.resampling import Column
from embedder.evaluation.statistics import macro_interval
from embedder.evaluation.table import resample_metrics
from embedder.report.scores import Mean, Scores

_RIGHT = ("accuracy", "em", "popqa_accuracy", "contains")
_WAYS = {"mended": 1, "harmed": -1}


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


def harms(scores: Scores) -> list[Harm]:
    """Every retriever against the row without retrieval, where the LLM answered in both.

    Computed from the answers of both rows, so that it needs no column of its own.
    """
    found = []
    for task in scores.tasks:
        datasets = scores.datasets(task)
        metric = next((name for name in _RIGHT if scores.mean(name, ALONE, datasets) is not None), None)
        for who in scores.retrievers if metric is not None else []:
            if who == ALONE or (turned := _turned(scores, task, metric or "", who)) is None:
                continue
            mended, harmed = turned
            found.append(
                Harm(
                    task=task,
                    metric=metric or "",
                    retriever=who,
                    queries=sum(len(column.queries) for column in mended),
                    mended=_mean(mended),
                    harmed=_mean(harmed),
                    counts=(_count(mended), _count(harmed)),
                )
            )
    return found


def _turned(scores: Scores, task: str, metric: str, retriever: str) -> tuple[list[Column], list[Column]] | None:
    """On each data set which queries were mended, and which harmed; None where the retriever lacks one."""
    mended, harmed = [], []
    for name in scores.with_metric(metric, scores.datasets(task)):
        ours, alone = scores.values(metric, name, retriever), scores.values(metric, name, ALONE)
        gaps = {query: ours[query] - alone[query] for query in ours if query in alone}
        if not gaps:
            return None
        turned = {(way,): {q: float(sign * gap >= 1) for q, gap in gaps.items()} for way, sign in _WAYS.items()}
        drawn = resample_metrics(turned, scores.sampling, *name)
        mended.append(drawn["mended",])
        harmed.append(drawn["harmed",])
    return mended, harmed


def _mean(columns: list[Column]) -> Mean:
    return Mean.of(fmean(column.mean for column in columns), macro_interval(columns))


def _count(columns: list[Column]) -> int:
    return int(sum(column.values.sum() for column in columns))
