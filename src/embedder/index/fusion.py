"""One ranking out of several."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)

_DAMPING = 60  # of Cormack et al.
HYBRID_DEPTH = 100
"""Keys that each part of a hybrid finds, at least."""


def reciprocal_rank_fusion(rankings: Sequence[Sequence[Item]]) -> list[Item]:
    """Items by the sum of their reciprocal ranks, best first; ties go to the earlier ranking, then the better rank.

        score(d) = sum over rankings of 1 / (60 + rank(d))

    What several rankings agree on comes first; items of one ranking alone alternate by their ranks.

    Source: Cormack, Clarke and Buettcher, SIGIR 2009.

    >>> reciprocal_rank_fusion([["a", "b", "c"], ["b", "d"]])
    ['b', 'a', 'd', 'c']

    Args:
        rankings: Distinct items each, best first.
    """
    scores: dict[Item, float] = defaultdict(float)
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] += 1 / (_DAMPING + rank)
    return sorted(scores, key=lambda item: -scores[item])  # stable: items lie in the order they were first seen


def blended(rankings: Sequence[Mapping[Item, float]], shares: Sequence[float]) -> dict[Item, float]:
    """The weighted sum of scores that each ranking has on a scale from 0 to 1, best first.

        score(d) = sum over rankings of share * (score(d) - lowest) / (highest - lowest)

    A ranking adds nothing to an item that it does not have, as to its last one; ties go to the earlier ranking.

    Source: Bruch, Gai and Ingber, TOIS 2023 (arXiv 2210.11934), where convex combinations are better than reciprocal
    rank fusion, which knows ranks alone, and need few queries to set their share; so it is here (docs/log.md,
    2026-11-29). The lowest score is that of the found items, not the lowest one that is possible.

    >>> blended([{"a": 9.0, "b": 5.0, "c": 1.0}, {"b": 0.8, "d": 0.6}], [0.5, 0.5])
    {'b': 0.75, 'a': 0.5, 'c': 0.0, 'd': 0.0}

    Args:
        rankings: The scores of each, over its best items.
        shares: Of each; their sum is 1.
    """
    total: dict[Item, float] = defaultdict(float)
    for scores, share in zip(rankings, shares, strict=True):
        lowest, highest = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
        width = highest - lowest
        for item, score in scores.items():
            total[item] += share * ((score - lowest) / width if width else 1.0)
    return dict(sorted(total.items(), key=lambda pair: -pair[1]))  # stable
