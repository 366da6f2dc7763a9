"""One ranking out of several."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)

_DAMPING = 60  # of Cormack et al.


def reciprocal_rank_fusion(rankings: Sequence[Sequence[Item]]) -> list[Item]:
    """Items by their `fused_scores`, best first; ties go to the earlier ranking, then the better rank.

    What several rankings agree on comes first; items of one ranking alone alternate by their ranks.

    >>> reciprocal_rank_fusion([["a", "b", "c"], ["b", "d"]])
    ['b', 'a', 'd', 'c']

    Args:
        rankings: Distinct items each, best first.
    """
    scores = fused_scores(rankings)
    return sorted(scores, key=lambda item: -scores[item])  # stable: items lie in the order they were first seen


def fused_scores(rankings: Sequence[Sequence[Item]]) -> dict[Item, float]:
    """The sum of the reciprocal ranks of every item, in the order that they are first seen.

        score(d) = sum over rankings of 1 / (60 + rank(d))

    Scores play no part, for those of different sources have different scales.

    Source: Cormack, Clarke and Buettcher, SIGIR 2009.

    Args:
        rankings: Distinct items each, best first.
    """
    scores: dict[Item, float] = defaultdict(float)
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] += 1 / (_DAMPING + rank)
    return dict(scores)
