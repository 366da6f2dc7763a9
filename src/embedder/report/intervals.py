"""How sure a mean is: the one place where the report asks statistics, so that others can take its place.

Values come in groups, one for each data set; the number in question is always the mean of the groups' means.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats

Groups = Sequence[npt.NDArray[np.float64]]
_RESAMPLES = 2000
_COUNTED = 4000
_EXACT = 12  # 4,096 patterns of signs


@dataclass(frozen=True)
class Statistics:
    """What the report asks.

    Args:
        interval: Lower and upper end of the 95 % interval of the mean of the groups' means, or None where the values do
            not tell.
        difference: The same of paired differences.
        p_value: Of such a mean of paired differences being 0.
    """

    interval: Callable[[Groups], tuple[float, float] | None]
    difference: Callable[[Groups], tuple[float, float] | None]
    p_value: Callable[[Groups], float]


def mean_of_means(groups: Groups) -> float:
    """Every data set counts the same, however many queries it has."""
    return float(np.mean([group.mean() for group in groups]))


def standard_error(groups: Groups) -> float:
    """Of the mean of the groups' means."""
    variances = [group.var(ddof=1) / len(group) if len(group) > 1 else math.inf for group in groups]
    return math.sqrt(sum(variances)) / len(groups)


def mean_interval(groups: Groups) -> tuple[float, float] | None:
    """The 95 % interval of a metric.

    Where one data set is all 0, or all 1, no resample differs and a bootstrap would claim certainty: the exact binomial
    interval (Clopper and Pearson) stands in.
    """
    if len(groups) == 1 and np.ptp(groups[0]) == 0 and groups[0][0] in (0.0, 1.0):
        ends = stats.binomtest(round(groups[0].sum()), len(groups[0])).proportion_ci(method="exact")
        return float(ends.low), float(ends.high)
    return bootstrap_interval(groups)


def bootstrap_interval(groups: Groups) -> tuple[float, float] | None:
    """The 95 % percentile bootstrap interval; queries are drawn inside their data set.

    A mean over a resample is a product of counts and values, and the counts are drawn once for all metrics and
    retrievers: a page asks for thousands of intervals, and drawing anew for each takes minutes.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Args:
        groups: Values of each data set.

    Returns:
        Both ends; None where all values of every group are equal: resampling says nothing about such a sample.
    """
    if all(np.ptp(group) == 0 for group in groups):
        return None
    drawn = [_resampled_means(group, place) for place, group in enumerate(groups)]
    low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    return float(low), float(high)


def _resampled_means(values: npt.NDArray[np.float64], stream: int) -> npt.NDArray[np.float64]:
    """The mean of each resample, [R]; of so many values it is normal, and their counts would fill the memory."""
    n = len(values)
    if n > _COUNTED:
        return np.random.default_rng([n, stream]).normal(values.mean(), values.std() / math.sqrt(n), _RESAMPLES)
    centre = values.mean()  # so that 32 bits are enough
    shifts = _counts(n, stream).astype(np.float32) @ (values - centre).astype(np.float32)
    means: npt.NDArray[np.float64] = centre + shifts / n
    return means


@lru_cache(maxsize=32)
def _counts(n: int, stream: int) -> npt.NDArray[np.uint8]:
    """How often each resample holds each of `n` queries, [R, n]."""
    generator = np.random.default_rng([n, stream])
    drawn = (np.bincount(generator.integers(0, n, n), minlength=n) for _ in range(_RESAMPLES))
    return np.stack([row.astype(np.uint8) for row in drawn])


def sign_flip_p_value(groups: Groups) -> float:
    """Two-sided p-value of paired differences under random signs; exact where there are few.

    Source: Smucker, Allan and Carterette, CIKM 2007: the randomisation test is the one to use for retrieval.

    Args:
        groups: Differences of each data set.
    """
    weighted = np.concatenate([group / (len(group) * len(groups)) for group in groups])
    weighted = weighted[weighted != 0]  # a sign does not change a zero
    if len(weighted) < 2:  # one sign, both outcomes as extreme
        return 1.0
    observed = abs(float(weighted.sum()))
    if len(weighted) > _COUNTED:  # the sum of so many is normal
        return float(2 * stats.norm.sf(observed / math.sqrt(float((weighted**2).sum()))))
    if len(weighted) <= _EXACT:
        exact = stats.permutation_test((weighted,), np.sum, permutation_type="samples", vectorized=True)
        return float(exact.pvalue)
    signs = np.random.default_rng(0).integers(0, 2, (2 * _RESAMPLES, len(weighted)), dtype=np.int8) * 2 - 1
    beyond = int((np.abs(signs @ weighted) >= observed * (1 - 1e-9)).sum())
    return (beyond + 1) / (2 * _RESAMPLES + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number: the chance of any false alarm among them stays below the level.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    corrected, floor = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = floor
    return corrected


def queries_needed(groups: Groups) -> int | None:
    """How many queries would show a difference of the present size, in 4 of 5 experiments, at the 5 % level.

        n (z_0.975 + z_0.8)^2 (standard error / difference)^2

    Args:
        groups: Paired differences of each data set.

    Returns:
        Over all data sets together; None where there is no difference or no spread.
    """
    mean, error = mean_of_means(groups), standard_error(groups)
    if mean == 0 or error == 0 or not math.isfinite(error):
        return None
    z = float(stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    return math.ceil(sum(map(len, groups)) * (z * error / mean) ** 2)


BOOTSTRAP = Statistics(mean_interval, bootstrap_interval, sign_flip_p_value)
