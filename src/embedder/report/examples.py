"""Queries gained and lost against the baseline, with what was retrieved and what the LLM wrote."""

from dataclasses import dataclass
from typing import Literal

from embedder.report.measures import headlines
from embedder.results.answers import Answered
from embedder.results.measures import averaged, sign
from embedder.results.scores import DatasetName, Scores

_LEAST = 0.0005
_ORDER = ("answers", "likelihood", "retrieval")


@dataclass(frozen=True)
class Change:
    """A query on which two retrievers differ.

    Args:
        dataset: Task and data set.
        query_id: Which query.
        direction: Whether the candidate gained or lost it.
        scores: Metric, score of the baseline, score of the candidate, where these differ.
    """

    dataset: DatasetName
    query_id: str
    direction: Literal["gained", "lost"]
    scores: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Example:
    """A change with both lines of `queries.jsonl`, where the folder has that file."""

    change: Change
    baseline: Answered | None
    candidate: Answered | None


def changes(scores: Scores, candidate: str, baseline: str, count: int) -> list[Change]:
    """The largest changes of each data set.

    Answers that became right or wrong come first; among equals the log-likelihood of the gold answer decides, or where
    no LLM was asked, the ranking. Differences that print as none are none.

    Args:
        scores: The scores.
        candidate: What is looked at.
        baseline: What it is held against.
        count: Gained queries of a data set, and lost ones, at most.
    """
    found: list[Change] = []
    for name in scores.datasets():
        ours, theirs = scores.row(name, candidate), scores.row(name, baseline)
        if ours is None or theirs is None:
            continue
        kinds = headlines([metric for metric in ours.per_query if metric in theirs.per_query])
        metrics = [kinds[kind] for kind in _ORDER if kind in kinds]
        gaps: dict[str, tuple[float, ...]] = {}
        answered = [metric for metric in metrics if metric != kinds.get("retrieval")] or metrics
        for query in ours.per_query[answered[0]] if answered else ():
            have = [m for m in metrics if query in ours.per_query[m] and query in theirs.per_query[m]]
            gaps[query] = tuple(
                _gain(m, ours.per_query[m][query], theirs.per_query[m][query]) if m in have else 0.0 for m in metrics
            )
        for direction, way in (("gained", 1), ("lost", -1)):
            order = sorted((q for q in gaps if _lead(gaps[q]) * way > 0), key=lambda q: gaps[q], reverse=way > 0)
            for query in order[:count]:
                shown = tuple(
                    (m, theirs.per_query[m][query], ours.per_query[m][query])
                    for m in metrics
                    if query in ours.per_query[m]
                    and query in theirs.per_query[m]
                    and abs(_gain(m, ours.per_query[m][query], theirs.per_query[m][query])) >= _LEAST
                )
                found.append(Change(name, query, direction, shown))  # type: ignore[arg-type]  # of the tuple above
    return found


def _gain(metric: str, ours: float, theirs: float) -> float:
    return sign(metric) * (averaged(metric, ours) - averaged(metric, theirs))


def _lead(gaps: tuple[float, ...]) -> float:
    """The first difference that is one."""
    return next((gap for gap in gaps if abs(gap) >= _LEAST), 0.0)
