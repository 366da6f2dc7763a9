"""One ranking out of several."""

from collections import defaultdict
from collections.abc import Sequence

_DAMPING = 60  # of Cormack et al.


def reciprocal_rank_fusion(rankings: Sequence[Sequence[int]]) -> list[int]:
    """Items by the sum of their reciprocal ranks, best first; ties go to the earlier ranking, then the better rank.

        score(d) = sum over rankings of 1 / (60 + rank(d))

    What several rankings agree on comes first; items of one ranking alone alternate by their ranks. Scores play no
    part, for those of different sources have different scales.

    Source: Cormack, Clarke and Buettcher, SIGIR 2009.

    Args:
        rankings: Distinct items each, best first.
    """
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] += 1 / (_DAMPING + rank)
    return sorted(scores, key=lambda item: -scores[item])  # stable: items lie in the order they were first seen
