"""Intervals, paired tests and corrections: by hand, at their limits, and against plain loops and other libraries."""

import itertools
import math
from statistics import fmean

import numpy as np
import pytest
from scipy import stats

from embedder.errors import ConfigError
from embedder.results.measures import mean_of
from embedder.results.resampling import Sampling, resample
from embedder.results.statistics import (
    holm,
    macro_difference,
    macro_interval,
    mcnemar,
    mean_interval,
    paired_difference,
)

SAMPLING = Sampling(resamples=4000, seed=1)


def values(numbers):
    return {f"q{place:05d}": float(number) for place, number in enumerate(numbers)}


def difference(a, b, sampling=SAMPLING, **more):
    columns = resample({"a": values(a), "b": values(b)}, sampling, **more)
    return paired_difference(columns["a"], columns["b"])


def test_three_gains_by_hand():
    # All eight flips of (1, 2, 3) / 4: a mean as far from 0 as 1.5 is reached by +++ and --- alone, p = 2 / 8.
    found = difference([0, 0, 0, 1], [1, 2, 3, 1])
    assert (found.a, found.b, found.difference) == (0.25, 1.75, 1.5)
    assert found.p == pytest.approx(0.25)
    assert (found.rose, found.fell, found.tied, found.n) == (3, 0, 1, 4)


def test_exact_randomisation_agrees_with_the_loop_over_all_flips():
    change = np.random.default_rng(0).normal(0.3, 1, 9)
    flips = [abs(np.dot(signs, change)) for signs in itertools.product((-1, 1), repeat=9)]
    expected = fmean(flip >= abs(change.sum()) - 1e-12 for flip in flips)
    assert difference(np.zeros(9), change).p == pytest.approx(expected)


def test_sampled_randomisation_agrees_with_scipy():
    generator = np.random.default_rng(3)
    a = generator.random(60)
    b = a + generator.normal(0.05, 0.2, 60)
    expected = stats.permutation_test(
        (b - a,), np.mean, permutation_type="samples", vectorized=True, n_resamples=20_000, rng=1
    ).pvalue
    assert difference(a, b, Sampling(20_000)).p == pytest.approx(expected, abs=0.01)


def test_a_p_value_is_never_zero():
    assert difference(np.zeros(100), np.ones(100) * 0.5).p == pytest.approx(1 / 4001)


def test_one_change_among_equal_values_is_chance():
    # scipy's test refuses a single value; either sign of it is as far from 0.
    found = difference([0.2, 0.5, 0.5, 0.1], [0.7, 0.5, 0.5, 0.1])
    assert (found.p, found.rose, found.tied) == (1.0, 1, 3)
    assert found.difference == pytest.approx(0.125)


def test_mcnemar_by_hand():
    # Five changed, all for the better: 2 * 0.5^5.
    assert mcnemar(5, 0) == pytest.approx(0.0625)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(3, 3) == 1.0
    # Sixteen changed, four of them for the worse: 2 (1 + 16 + 120 + 560 + 1820) / 2^16.
    assert mcnemar(12, 4) == pytest.approx(5034 / 65536)


def test_mcnemar_is_the_randomisation_test_of_zeros_and_ones():
    a, b = [0] * 8 + [1] * 8, [1] * 7 + [0] + [1] * 6 + [0] * 2
    exact = difference(a, b).p
    assert exact == pytest.approx(mcnemar(7, 2))
    # Halved, the same values are no longer 0 and 1, and the flips are counted.
    assert difference(np.array(a) / 2, np.array(b) / 2).p == pytest.approx(exact)


def test_intervals_agree_with_scipy():
    generator = np.random.default_rng(5)
    a, b = generator.random(80), generator.random(80) ** 2
    expected = stats.bootstrap((a,), np.mean, method="percentile", n_resamples=20_000, rng=2).confidence_interval
    columns = resample({"a": values(a), "b": values(b)}, Sampling(20_000))
    found = mean_interval(columns["a"])
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.004)
    expected = stats.bootstrap((b - a,), np.mean, method="percentile", n_resamples=20_000, rng=2).confidence_interval
    found = paired_difference(columns["a"], columns["b"]).interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_a_paired_interval_is_narrow_where_both_vary_together():
    generator = np.random.default_rng(7)
    a = generator.random(200)
    found = difference(a, a + 0.01 + generator.normal(0, 0.01, 200)).interval
    assert 0 < found.low < 0.01 < found.high < 0.02


def test_perplexity_is_exp_of_the_mean():
    assert mean_of("perplexity", [8.0]) == pytest.approx(8)
    assert mean_of("perplexity", [2.0, 8.0]) == pytest.approx(4)  # the geometric mean
    with pytest.raises(ValueError, match="at least one"):
        mean_of("perplexity", [])
    nats = np.random.default_rng(2).random(50) + 1
    columns = resample({"a": values(nats), "b": values(nats - 0.1)}, SAMPLING, exponential=("a", "b"))
    plain = resample({"a": values(nats)}, SAMPLING)["a"]
    assert columns["a"].mean == pytest.approx(math.exp(nats.mean()))
    # An interval of percentiles follows a rising function.
    assert mean_interval(columns["a"]).low == pytest.approx(math.exp(mean_interval(plain).low))
    found = paired_difference(columns["a"], columns["b"])
    assert found.difference == pytest.approx(math.exp(nats.mean()) * (math.exp(-0.1) - 1))
    assert found.fell == 50


def test_all_wrong_is_not_certain():
    # 0 of 48: 1 - 0.025^(1/48) = 0.0740.
    none_right = resample({"em": values([0] * 48)}, SAMPLING)["em"]
    assert (mean_interval(none_right).low, mean_interval(none_right).high) == pytest.approx((0, 0.0740), abs=1e-4)
    found = difference([0] * 48, [0] * 48)
    assert (found.interval.low, found.interval.high) == pytest.approx((-0.0740, 0.0740), abs=1e-4)
    assert found.p == 1.0


def test_one_query_tells_nothing():
    found = difference([0.2], [0.7])
    assert math.isnan(found.interval.low)
    assert found.p == 1.0


def test_equal_values_say_nothing_unless_they_are_of_right_and_wrong():
    for name, numbers in (("recall", [0.5] * 9), ("rank", [1.0] * 9), ("gain", [0.0] * 9)):
        column = resample({name: values(numbers)}, SAMPLING, unbounded=("rank", "gain"))[name]
        assert not column.is_binary
        assert math.isnan(mean_interval(column).low)


def test_equal_columns_are_equal():
    a = np.random.default_rng(0).random(30)
    found = difference(a, a)
    assert (found.difference, found.p, found.tied) == (0, 1, 30)
    assert math.isnan(found.interval.low)  # no resample differs, which is not certainty


def test_resamples_depend_on_seed_queries_and_data_set_alone():
    one, other = values(np.arange(20) / 20), values(np.arange(20)[::-1] / 20)
    alone = resample({"x": one}, SAMPLING, "nq")["x"]
    beside = resample({"y": other, "x": dict(reversed(one.items()))}, SAMPLING, "nq")["x"]
    np.testing.assert_allclose(alone.resampled, beside.resampled)
    np.testing.assert_allclose(alone.flipped, beside.flipped, atol=1e-12)
    assert not np.allclose(alone.resampled, resample({"x": one}, SAMPLING, "popqa")["x"].resampled)
    assert not np.allclose(alone.resampled, resample({"x": one}, Sampling(4000, 2), "nq")["x"].resampled)


def test_columns_over_other_queries_are_no_pair():
    columns = resample({"a": values([0, 1]), "b": values([0, 1, 1])}, SAMPLING)
    with pytest.raises(ValueError, match="same metric, queries"):
        paired_difference(columns["a"], columns["b"])


def test_values_that_are_no_numbers_are_refused():
    for wrong in ({}, {"q": math.nan}, {"q": math.inf}):
        with pytest.raises(ValueError, match="finite"):
            resample({"a": wrong}, SAMPLING)
    with pytest.raises(ConfigError, match=r"compare\.resamples"):
        Sampling(resamples=10)


def macro(sets, weights=None, sampling=SAMPLING):
    pairs = []
    for place, (a, b) in enumerate(sets):
        columns = resample({"a": values(a), "b": values(b)}, sampling, stream=str(place))
        pairs.append((columns["a"], columns["b"]))
    return macro_difference(pairs, weights or [1 / len(pairs)] * len(pairs))


def test_the_mean_over_data_sets_by_hand():
    # +1 on four queries and 0 on two: the mean over data sets is 0.5, over queries it would be 2/3.
    found = macro([([0, 0, 0, 0], [1, 1, 1, 1]), ([0.5, 0.5], [0.5, 0.5])])
    assert (found.a, found.b, found.difference, found.n) == (0.25, 0.75, 0.5, 6)
    assert (found.rose, found.fell) == (4, 0)
    weighted = macro([([0, 0, 0, 0], [1, 1, 1, 1]), ([0.5, 0.5], [0.5, 0.5])], weights=[0.25, 0.75])
    assert weighted.difference == pytest.approx(0.25)


def test_one_data_set_is_its_own_mean():
    generator = np.random.default_rng(4)
    a, b = generator.random(40), generator.random(40)
    assert macro([(a, b)]) == difference(a, b, stream="0")


def test_the_interval_over_data_sets_has_the_variance_of_the_sum():
    generator = np.random.default_rng(6)
    sets = [(np.zeros(n), generator.normal(0.1, spread, n)) for n, spread in ((50, 1.0), (200, 0.5), (30, 0.2))]
    error = math.sqrt(sum(b.var() / len(b) for _, b in sets)) / 3
    found = macro(sets, sampling=Sampling(20_000))
    assert found.interval.high - found.interval.low == pytest.approx(2 * 1.96 * error, rel=0.03)
    normal = 2 * stats.norm.sf(abs(found.difference) / math.sqrt(sum((b**2).mean() / len(b) for _, b in sets)) * 3)
    assert found.p == pytest.approx(normal, abs=0.02)


def test_the_interval_of_a_mean_over_data_sets():
    # Standard error of (m1 + m2) / 2, 400 values of deviation 1 each: sqrt(2 / 400) / 2 = 0.0354; times 1.96, 0.0693.
    drawn = np.random.default_rng(0).normal(0, 1, (2, 400))
    sets = [(some - some.mean()) / some.std() for some in drawn]
    columns = [resample({"a": values(some)}, Sampling(20_000), str(place))["a"] for place, some in enumerate(sets)]
    found = macro_interval(columns, [0.5, 0.5])
    assert (found.low, found.high) == pytest.approx((-0.0693, 0.0693), abs=0.003)
    assert macro_interval(columns[:1], [1.0]) == mean_interval(columns[0])
    wrong = [resample({"em": values([0, 0])}, SAMPLING, name)["em"] for name in ("nq", "popqa")]
    assert math.isnan(macro_interval(wrong, [0.5, 0.5]).low)
    assert math.isnan(macro([([0, 0], [0, 0])] * 2).interval.low)


def test_data_sets_with_the_same_ids_are_drawn_independently():
    # Were both drawn alike, a gain in one and the same loss in the other would cancel in every resample.
    change = np.random.default_rng(8).normal(0, 1, 60)
    found = macro([(np.zeros(60), change), (np.zeros(60), -change)])
    assert found.interval.high - found.interval.low > 0.1


def test_holm_by_hand():
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1 are 0.03, 0.06, 0.04; none may fall below the one before.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    # The usual example of four: 4 * 0.005, 3 * 0.01, 2 * 0.03, and 0.04 not below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02, 0.02]) == pytest.approx([0.04, 0.04])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([0.02]) == pytest.approx([0.02])
    assert holm([]) == []


def test_the_test_keeps_its_level():
    # Under the null hypothesis p < 0.05 in at most about 5 % of 400 comparisons.
    generator = np.random.default_rng(10)
    a = generator.random((40, 400))
    b = generator.random((40, 400))
    names = range(400)
    columns = resample(
        {("a", i): values(a[:, i]) for i in names} | {("b", i): values(b[:, i]) for i in names}, Sampling(1000)
    )
    p = [paired_difference(columns["a", i], columns["b", i]).p for i in names]
    assert fmean(value < 0.05 for value in p) == pytest.approx(0.05, abs=0.025)
