"""How many questions it takes to see a difference between two systems that answer the same questions."""

import math
from statistics import NormalDist


def questions_needed(only_first: float, only_second: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Questions that a two-sided McNemar test needs to find the difference of two paired proportions.

        n = (z(1 - alpha / 2) sqrt(p) + z(power) sqrt(p - d^2))^2 / d^2

    with p = only_first + only_second, the share of questions on which the two differ, and d the difference of the two,
    which is the difference of their means.

    Source: Connor, Biometrics 43, 1987; Miettinen, Biometrics 24, 1968.

    Args:
        only_first: Share of questions that the first system alone has right.
        only_second: Share of questions that the second system alone has right.
        power: Probability of finding the difference.
        alpha: Probability of finding one where there is none.

    Returns:
        A whole number, rounded up; None where the difference is 0.

    Raises:
        ValueError: Something is no probability, or the shares exceed 1 together.
    """
    if min(only_first, only_second) < 0 or only_first + only_second > 1 + 1e-9:
        raise ValueError(f"shares: expected two parts of 1, got {only_first} and {only_second}")
    if not (0 < power < 1 and 0 < alpha < 1):
        raise ValueError(f"power and alpha: expected numbers between 0 and 1, got {power} and {alpha}")
    differ, difference = only_first + only_second, abs(only_first - only_second)
    if difference == 0:
        return None
    normal = NormalDist()
    scaled = normal.inv_cdf(1 - alpha / 2) * math.sqrt(differ)
    scaled += normal.inv_cdf(power) * math.sqrt(max(differ - difference**2, 0.0))
    return math.ceil((scaled / difference) ** 2)
