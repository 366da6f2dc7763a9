"""Harm and its opposite: answers that are right only without retrieval, and answers that are right only with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedder.results.row import DatasetName
from embedder.results.scores import Mean, Scores
from embedder.results.titles import ALONE


@dataclass(frozen=True)
class Harm:
    """One retriever on the queries of one task, set against the LLM alone."""

    task: str
    retriever: str
    queries: int
    mended: Mean
    """Share of queries: wrong alone, right with retrieval."""
    harmed: Mean
    """Share of queries: right alone, wrong with retrieval."""
    counts: tuple[int, int]
    """Queries mended, and harmed."""


def harms(scores: Scores) -> list[Harm]:
    """Every retriever against the LLM alone, where answers are right or wrong (`against_alone`)."""
    found = []
    for task in scores.tasks:
        datasets = scores.datasets(task)
        for who in scores.retrievers:
            mended, harmed = (scores.mean(metric, who, datasets) for metric in ("mended", "harm"))
            if who == ALONE or mended is None or harmed is None:
                continue
            counts = (_values("mended", who, datasets, scores), _values("harm", who, datasets, scores))
            turned = (int(sum(counts[0])), int(sum(counts[1])))
            found.append(Harm(task, who, len(counts[0]), mended, harmed, turned))
    return found


def _values(metric: str, who: str, datasets: Sequence[DatasetName], scores: Scores) -> list[float]:
    return [value for name in datasets for value in scores.values(metric, name, who).values()]
