"""Groups of runs with several seeds: differences over queries and seeds by hand, in their limits, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from embedder.errors import ConfigError, ProtocolError
from embedder.results.scores_file import read_results
from embedder.results.seeds import compare_groups, crossed_difference
from embedder.results.seeds_text import render_groups
from tests.results.folders import row, write

TITLE = "trained encoder"


def difference(change):
    change = np.asarray(change, dtype=float)
    return crossed_difference([(np.zeros_like(change), change)], [1.0])


def test_two_seeds_and_two_queries_by_hand():
    # Means of seeds 2 and 4: var / S = 2 / 2 = 1. Means of queries 2 and 4: MSQ = 2 * 2 = 4; residuals all 0, MSSQ = 0:
    # 4 / (2 * 2) = 1. Half width sqrt(12.706^2 + 1.960^2), with t of 1 degree of freedom.
    found = difference([[1, 3], [3, 5]])
    assert (found.a, found.b, found.difference, found.n) == (0.0, 3.0, 3.0, 2)
    assert (found.interval.low, found.interval.high) == pytest.approx((3 - 12.8565, 3 + 12.8565), abs=1e-3)
    t, z = stats.t.isf(found.p / 2, 1), stats.norm.isf(found.p / 2)
    assert math.hypot(t, z) == pytest.approx(3.0)  # the interval of level 1 - p ends at 0


def test_equal_seeds_leave_the_interval_over_queries():
    change = np.random.default_rng(0).normal(0.1, 1.0, 400)
    found = difference([change, change, change])
    error = change.std(ddof=1) / 20
    width = 1.959964 * error
    assert found.p == pytest.approx(2 * stats.norm.sf(found.difference / error), rel=1e-4)
    assert found.interval.high - found.difference == pytest.approx(width, rel=1e-5)


def test_equal_queries_leave_students_interval_over_seeds():
    of_seeds = np.array([0.1, 0.2, 0.6])
    found = difference(np.tile(of_seeds[:, None], (1, 50)))
    expected = stats.ttest_1samp(of_seeds, 0.0)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval.low == pytest.approx(expected.confidence_interval().low)


def test_the_interval_holds_the_truth_as_often_as_it_says_where_that_of_queries_alone_does_not():
    generator = np.random.default_rng(1)
    held = alone = 0
    for _ in range(1000):
        change = 0.15 * generator.normal(size=(3, 1)) + 0.5 * generator.normal(size=(1, 100))
        change = change + 0.3 * generator.normal(size=(3, 100))
        found = difference(change).interval
        held += found.low <= 0 <= found.high
        of_queries = change.mean(axis=0)
        alone += abs(of_queries.mean()) <= 1.984 * of_queries.std(ddof=1) / 10
    assert 0.94 <= held / 1000 <= 0.99
    assert alone < held - 100


def test_a_mean_over_data_sets_has_the_seeds_in_common():
    # Seed 1 is 0.2 better on both, all queries alike: m = [0, 0.2], var / S = 0.02 / 2, 1 degree of freedom.
    pairs = [(np.zeros((2, n)), np.tile([[0.0], [0.2]], (1, n))) for n in (10, 30)]
    found = crossed_difference(pairs, [0.5, 0.5])
    assert (found.n, found.difference) == (40, pytest.approx(0.1))
    assert found.interval.high == pytest.approx(0.1 + stats.t.ppf(0.975, 1) * 0.1)


def test_one_seed_and_equal_differences_say_nothing():
    with pytest.raises(ValueError, match="from one"):
        difference([[1.0, 2.0]])
    assert not difference([[1.0, 1.0], [1.0, 1.0]]).interval.is_known


@pytest.mark.parametrize(("change", "n", "p"), [(1.0, 8, 2 / 2**8), (-1.0, 8, 2 / 2**8), (1.0, 2, 0.5), (0.0, 8, 1.0)])
def test_queries_that_all_change_alike_are_as_likely_as_so_many_equal_throws_of_a_coin(change, n, p):
    found = difference(np.full((3, n), change))
    assert (found.p, found.difference) == (pytest.approx(p), change)


def group(tmp_path, name, gains, **more):
    """A group whose seed s has 0.5 + gain of s for every query of two data sets, and a perplexity."""
    found = {}
    for seed, gain in enumerate(gains):
        base = np.linspace(0.2, 0.4, 30) + gain
        values = {"ndcg@10": list(base), "perplexity": list(np.exp(base))}
        rows = [row(TITLE, values, **more), row(TITLE, {"ndcg@10": list(base)}, task="tool", dataset="metatool")]
        found[str(seed)] = read_results(write(tmp_path / f"{name}-{seed}", rows))
    return found


def test_groups_are_compared_on_data_sets_and_their_mean(tmp_path):
    groups = {
        "full": group(tmp_path, "full", [0.0, 0.0]),
        "kl": group(tmp_path, "kl", [-0.10, -0.12]),
        "same": group(tmp_path, "same", [0.01, -0.01]),
    }
    scores = compare_groups(groups, "full", TITLE)
    named = {(one.group, one.scope, one.metric): one for one in scores}
    assert {scope for _, scope, _ in named} == {"qa/world", "tool/metatool", "mean of 2"}
    kl = named["kl", "mean of 2", "ndcg@10"]
    assert kl.by_seed == pytest.approx({"0": 0.2, "1": 0.18})
    assert (kl.mean, kl.spread) == pytest.approx((0.19, 0.01 * math.sqrt(2)))
    assert kl.verdict.difference.difference == pytest.approx(-0.11)
    assert kl.verdict.beyond_chance == 0  # of two seeds, p = 0.06: Student's t of 11 with 1 degree of freedom
    assert named["same", "mean of 2", "ndcg@10"].verdict.p == pytest.approx(1.0)
    perplexity = named["kl", "qa/world", "perplexity"]
    assert perplexity.mean == pytest.approx((math.exp(0.2) + math.exp(0.18)) / 2)
    assert perplexity.verdict.difference.difference == pytest.approx(-0.11)  # nats a token
    text = render_groups(scores, "full")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert cells[0] == ["qa/world, ndcg@10", "mean", "±", "minus full", "95 % interval", "p"]
    assert cells[2:4] == [["full", "0.300", "0.000", "", "", ""], ["kl", "0.190", "0.014", "-0.110", *cells[3][4:]]]


def test_groups_that_cannot_be_compared_are_refused(tmp_path):
    full = group(tmp_path, "full", [0.0, 0.1])
    with pytest.raises(ConfigError, match=r"two groups or more, of two seeds or more each"):
        compare_groups({"full": full}, "full", TITLE)
    with pytest.raises(ConfigError, match=r"evaluations of the seeds \['0', '1'\] in every group, got \"kl: \['0'\]\""):
        compare_groups({"full": full, "kl": {"0": full["0"]}}, "full", TITLE)
    other = group(tmp_path, "other", [0.0, 0.1], llm="larger")
    with pytest.raises(ProtocolError, match="llm"):
        compare_groups({"full": full, "kl": other}, "full", TITLE, ["perplexity"])
    with pytest.raises(ConfigError, match=r"compare\.metrics: expected metrics among .*'ndcg@10'.*, got 'emm'"):
        compare_groups({"full": full, "kl": full}, "full", TITLE, ["ndcg@10", "emm"])
    with pytest.raises(ConfigError, match="every run has the row 'nix'"):
        compare_groups({"full": full, "kl": full}, "full", "nix")
