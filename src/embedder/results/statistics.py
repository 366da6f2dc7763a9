"""How sure a number is: intervals of means, paired differences with a test, many comparisons.

Everything is computed from the value of each query; see `resampling` for what is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from embedder.results.resampling import TOLERANCE, Column, Floats

ALPHA = 0.05
"""A difference is more than chance where its corrected p-value is below this."""
LEVEL = 1 - ALPHA
"""Of every interval."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval; both ends are NaN if it is not known."""

    low: float
    high: float

    @property
    def is_known(self) -> bool:
        """Whether anything can be said."""
        return not isnan(self.low)


@dataclass(frozen=True)
class Difference:
    """What B has more than A by a metric, b - a.

    Args:
        n: Queries.
        interval: Of the difference, by the bootstrap over queries.
        p: Two-sided, that A and B differ by chance; not corrected for other comparisons.
        rose: Queries whose value is larger in B.
        fell: Queries whose value is smaller in B.
    """

    n: int
    a: float
    b: float
    difference: float
    interval: Interval
    p: float
    rose: int
    fell: int

    @property
    def tied(self) -> int:
        """Queries with the same value in both."""
        return self.n - self.rose - self.fell


def mean_interval(column: Column) -> Interval:
    """The 95 % percentile bootstrap interval of the metric.

    Where all values are 0, or all 1, no resample differs and the bootstrap would claim certainty: the exact binomial
    interval (Clopper-Pearson) stands in. Equal values of another metric say nothing about other queries: NaN.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    from scipy.stats import binomtest

    if column.is_constant and column.is_binary:
        n = len(column.values)
        exact = binomtest(round(column.values.sum()), n).proportion_ci(LEVEL, method="exact")
        return Interval(float(exact.low), float(exact.high))
    return _percentiles(column.scaled(column.resampled), [column.values])


def nested_weights(names: Sequence[tuple[str, ...]]) -> list[float]:
    """Weights of a mean of means: each first part of the names counts the same, then each second one in it.

    Args:
        names: Distinct and of one length, such as task and data set.

    Returns:
        One for each, with the sum 1.
    """
    weights = [1.0] * len(names)
    for depth in range(len(names[0]) if names else 0):
        children: dict[tuple[str, ...], set[str]] = {}
        for name in names:
            children.setdefault(name[:depth], set()).add(name[depth])
        weights = [weight / len(children[name[:depth]]) for weight, name in zip(weights, names, strict=True)]
    return weights


def macro_interval(columns: Sequence[Column], weights: Sequence[float]) -> Interval:
    """The 95 % interval of the mean over data sets; queries are resampled within each, as in `macro_difference`.

    Args:
        columns: One for each data set, resampled in streams of their own; at least one.
        weights: One for each, with the sum 1.
    """
    if len(columns) == 1:
        return mean_interval(columns[0])
    means = np.average([column.scaled(column.resampled) for column in columns], axis=0, weights=weights)
    return _percentiles(means, [column.values for column in columns])


def paired_difference(a: Column, b: Column) -> Difference:
    """B against A on the same queries: the difference of the metrics, its interval and a paired test.

    The test is a randomisation test of the mean difference (under the null hypothesis each query's difference is as
    likely to have the other sign), exact where all sign flips can be counted. For values of 0 and 1 that is McNemar's
    exact test, which has a closed form. Of an exponential metric the nats are tested.

    Source: Smucker, Allan & Carterette, CIKM 2007 (randomisation test); Phipson & Smyth, 2010 (p is never 0);
    McNemar, Psychometrika 1947.

    Raises:
        ValueError: The columns are not over the same queries.
    """
    if a.queries != b.queries or len(a.resampled) != len(b.resampled) or a.exponential != b.exponential:
        raise ValueError("a paired comparison needs the same metric, queries and resamples on both sides")
    change = b.values - a.values  # [n]
    rose, fell = int((change > TOLERANCE).sum()), int((change < -TOLERANCE).sum())
    if a.is_binary and b.is_binary:
        p = mcnemar(rose, fell)
        interval = _binary_interval(a, b)
    else:
        p = _randomisation(change, b.flipped - a.flipped)
        interval = _percentiles(_differences(a, b), [change])
    return Difference(len(change), a.mean, b.mean, b.mean - a.mean, interval, p, rose, fell)


def macro_difference(pairs: Sequence[tuple[Column, Column]], weights: Sequence[float]) -> Difference:
    """B against A on the mean over data sets; queries are resampled and flipped within each data set.

        difference = sum_d w_d (b_d - a_d)

    The data sets are taken as given: the interval says how the difference would vary with other queries of them, not
    with other data sets.

    Args:
        pairs: The columns of A and of B for each data set, resampled in streams of their own; at least one.
        weights: One for each, with the sum 1.

    Raises:
        ValueError: The columns of a pair are not over the same queries.
    """
    parts = [paired_difference(a, b) for a, b in pairs]
    if len(pairs) == 1:
        return parts[0]
    changes = [b.values - a.values for a, b in pairs]
    observed = float(np.dot(weights, [change.mean() for change in changes]))
    flipped = np.dot(weights, [b.flipped - a.flipped for a, b in pairs])  # [R]
    resampled = np.dot(weights, [_differences(a, b) for a, b in pairs])  # [R]
    mean_a, mean_b = (float(np.dot(weights, [getattr(part, side) for part in parts])) for side in "ab")
    n = sum(part.n for part in parts)
    rose, fell = sum(part.rose for part in parts), sum(part.fell for part in parts)
    p = 1.0 if rose + fell == 0 else _share_beyond(flipped, observed)
    interval = _percentiles(resampled, changes)
    return Difference(n, mean_a, mean_b, mean_b - mean_a, interval, p, rose, fell)


def mcnemar(rose: int, fell: int) -> float:
    """The two-sided exact p-value of McNemar's test: a fair coin thrown for every query that changed.

    Source: McNemar, Psychometrika 1947.
    """
    from scipy.stats import binomtest

    return float(binomtest(rose, rose + fell).pvalue) if rose + fell else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for being shown together: the chance of any false alarm among them stays below alpha.

        corrected_(i) = max over j <= i of min(1, (m - j + 1) p_(j)), with p_(1) <= ... <= p_(m)

    Source: Holm, Scandinavian Journal of Statistics 1979.
    """
    ascending = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, dtype=np.float64)[ascending] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[ascending] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in corrected]


def _differences(a: Column, b: Column) -> Floats:
    return np.asarray(b.scaled(b.resampled) - a.scaled(a.resampled), dtype=np.float64)


def _percentiles(resampled: Floats | np.floating, values: Sequence[Floats]) -> Interval:
    if all(np.ptp(column) <= TOLERANCE for column in values):
        return Interval(nan, nan)  # no resample differs, which is not certainty
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _binary_interval(a: Column, b: Column) -> Interval:
    change = b.values - a.values
    if np.ptp(change) > 0:
        return _percentiles(_differences(a, b), [change])
    # No resample differs, as in `mean_interval`: the share of other queries that would is at most 1 - (alpha/2)^(1/n).
    rest = 1 - ((1 - LEVEL) / 2) ** (1 / len(change))
    width = rest if change[0] == 0 else 2 * rest
    return Interval(max(-1.0, float(change[0]) - width), min(1.0, float(change[0]) + width))


def _randomisation(change: Floats, flipped: Floats) -> float:
    from scipy.stats import permutation_test

    moved = change[np.abs(change) > TOLERANCE]  # zeros have no sign to flip
    if len(moved) < 2:
        return 1.0  # one difference is as far from 0 with either sign
    if 2 ** len(moved) <= len(flipped):
        exact = permutation_test(
            (moved,), np.sum, permutation_type="samples", vectorized=True, n_resamples=len(flipped)
        )
        return float(exact.pvalue)
    return _share_beyond(flipped, float(change.mean()))


def _share_beyond(flipped: Floats, observed: float) -> float:
    beyond = int((np.abs(flipped) >= abs(observed) - TOLERANCE).sum())
    return (beyond + 1) / (len(flipped) + 1)
