"""How many questions it takes to see a difference between two systems that answer the same questions."""

import math
from statistics import NormalDist

POWER = 0.8
"""Probability of finding a difference of the size in question."""


def questions_needed(only_first: float, only_second: float, alpha: float = 0.05) -> int | None:
    """Questions that a two-sided McNemar test needs to find the difference of two paired proportions.

        n = (z(1 - alpha / 2) sqrt(p) + z(POWER) sqrt(p - d^2))^2 / d^2

    with p = only_first + only_second, the share of questions on which the two differ, and d the difference of the two,
    which is the difference of their means.

    >>> questions_needed(only_first=0.06, only_second=0.04)  # 2 points apart, on a tenth of the questions
    1960

    Source: Connor, Biometrics 43, 1987; Miettinen, Biometrics 24, 1968.

    Args:
        only_first: Share of questions that the first system alone has right.
        only_second: Share of questions that the second system alone has right.
        alpha: Probability of finding a difference where there is none.

    Returns:
        A whole number, rounded up; None where the difference is 0.
    """
    differ, difference = only_first + only_second, abs(only_first - only_second)
    if difference == 0:
        return None
    normal = NormalDist()
    scaled = normal.inv_cdf(1 - alpha / 2) * math.sqrt(differ)
    scaled += normal.inv_cdf(POWER) * math.sqrt(max(differ - difference**2, 0.0))
    return math.ceil((scaled / difference) ** 2)


def values_needed(difference: float, spread: float, alpha: float = 0.05) -> int | None:
    """Queries that a two-sided paired test of means needs to find a difference.

        n = ((z(1 - alpha / 2) + z(POWER)) spread / difference)^2

    Source: Lachin, Controlled Clinical Trials 2, 1981.

    Args:
        difference: Mean of the paired differences.
        spread: Standard deviation of the paired differences.
        alpha: Probability of finding a difference where there is none.

    Returns:
        A whole number, rounded up; None where the difference or the spread is 0.
    """
    if difference == 0 or spread == 0:
        return None
    normal = NormalDist()
    return math.ceil(((normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(POWER)) * spread / difference) ** 2)
