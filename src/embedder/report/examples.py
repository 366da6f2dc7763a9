"""Queries gained and lost against the baseline, with what was retrieved and what the LLM wrote."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from embedder.report.measures import headlines
from embedder.results.answers import Answered
from embedder.results.measures import improvement
from embedder.results.row import DatasetName
from embedder.results.scores import Scores

_LEAST = 0.0005
_ORDER = ("answers", "likelihood", "retrieval")
Direction = Literal["gained", "lost"]
_DIRECTIONS: tuple[tuple[Direction, int], ...] = (("gained", 1), ("lost", -1))


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
    direction: Direction
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
        candidate: Title of the retriever that is shown.
        baseline: Title of the retriever that it is compared with.
        count: Gained queries of a data set, and lost ones, at most.
    """
    found: list[Change] = []
    for name in scores.datasets():
        ours, theirs = scores.row(name, candidate), scores.row(name, baseline)
        if ours is None or theirs is None:
            continue
        kinds = headlines([metric for metric in ours.per_query if metric in theirs.per_query])
        metrics = [kinds[kind] for kind in _ORDER if kind in kinds]
        answered = [metric for metric in metrics if metric != kinds.get("retrieval")] or metrics
        gains = {
            query: {
                metric: improvement(metric, theirs.per_query[metric][query], ours.per_query[metric][query])
                for metric in metrics
                if query in ours.per_query[metric] and query in theirs.per_query[metric]
            }
            for query in (ours.per_query[answered[0]] if answered else ())
        }
        for direction, way in _DIRECTIONS:
            changed = [query for query, own in gains.items() if _first(own.values()) * way > 0]
            changed.sort(key=lambda query: [gains[query].get(metric, 0.0) for metric in metrics], reverse=way > 0)
            for query in changed[:count]:
                shown = tuple(
                    (metric, theirs.per_query[metric][query], ours.per_query[metric][query])
                    for metric, gain in gains[query].items()
                    if abs(gain) >= _LEAST
                )
                found.append(Change(name, query, direction, shown))
    return found


def _first(gains: Iterable[float]) -> float:
    """The first difference that is one."""
    return next((gain for gain in gains if abs(gain) >= _LEAST), 0.0)
