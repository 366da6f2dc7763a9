import numpy as np
import pytest
from scipy import stats

from embedder.report.intervals import (
    bootstrap_interval,
    holm,
    mean_interval,
    mean_of_means,
    queries_needed,
    sign_flip_p_value,
)


def test_every_data_set_counts_the_same():
    assert mean_of_means([np.array([1.0]), np.array([0.0, 0.0, 0.0])]) == 0.5


@pytest.mark.parametrize("n", [200, 5000])
def test_the_interval_agrees_with_scipys_bootstrap(n):
    values = np.random.default_rng(3).gamma(2, 1, n)
    drawn = {"n_resamples": 2000, "batch": 200, "rng": np.random.default_rng(1)}
    theirs = stats.bootstrap((values,), np.mean, method="percentile", **drawn).confidence_interval
    assert bootstrap_interval([values]) == pytest.approx((theirs.low, theirs.high), abs=0.02 if n == 200 else 0.003)


def test_the_interval_of_two_data_sets_is_that_of_their_mean():
    # Standard error of (m1 + m2) / 2, 400 values of deviation 1 each: sqrt(2 / 400) / 2 = 0.0354; times 1.96, 0.0693.
    drawn = np.random.default_rng(0).normal(0, 1, (2, 400))
    groups = [(group - group.mean()) / group.std() for group in drawn]
    low, high = bootstrap_interval(groups)
    assert (low, high) == pytest.approx((-0.0693, 0.0693), abs=0.006)


def test_equal_values_say_nothing_but_zeros_and_ones_do():
    assert bootstrap_interval([np.full(5, 0.3)]) is None
    assert mean_interval([np.full(5, 0.3)]) is None
    # Clopper-Pearson for 0 of 12: the upper end solves (1 - p)^12 = 0.025, so p = 1 - 0.025^(1/12) = 0.2646.
    assert mean_interval([np.zeros(12)]) == pytest.approx((0, 0.2646), abs=1e-4)


def test_sign_flips_by_hand():
    # Of the 32 sign patterns of five equal differences only +++++ and ----- reach the sum: 2 / 32.
    assert sign_flip_p_value([np.array([1.0] * 5 + [0.0] * 7)]) == pytest.approx(0.0625)
    assert sign_flip_p_value([np.zeros(4)]) == 1.0
    assert sign_flip_p_value([np.array([0.0, 1.0, 0.0])]) == 1.0


def test_holm_by_hand():
    # Sorted 0.01 0.03 0.04: times 3, 2, 1 gives 0.03, 0.06, 0.04, which may not fall: 0.06.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_queries_needed_by_hand():
    # Deviation 1, difference 0.5: (1.95996 + 0.84162)^2 / 0.25 = 31.4; the sample's deviation is 1.0206 (n - 1 for 25).
    values = 0.5 + np.array([-1.0, 1.0] * 12 + [0.0])
    spread = values.std(ddof=1)
    assert queries_needed([values]) == int(np.ceil(7.8489 * spread**2 / 0.25))
    assert queries_needed([np.array([1.0, -1.0])]) is None


def test_many_sign_flips_agree_with_the_t_test():
    values = np.random.default_rng(5).normal(0.2, 1, 100)
    assert sign_flip_p_value([values]) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)
