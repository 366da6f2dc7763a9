import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder.errors import ConfigError
from embedder.rewards.maths import (
    likelihood_rewards,
    normalised_likelihood_rewards,
    rank,
    rank_rewards,
    rank_then_likelihood_rewards,
    smooth_rank_rewards,
)
from embedder.rewards.reward import (
    LikelihoodReward,
    MixReward,
    NormalisedLikelihoodReward,
    RankReward,
    RankThenLikelihoodReward,
    SmoothRankReward,
)
from embedder.rewards.tables import ScoreTable

ALL_REWARDS = (
    RankReward(),
    RankThenLikelihoodReward(),
    SmoothRankReward(),
    LikelihoodReward(),
    NormalisedLikelihoodReward(),
    MixReward({"a": RankReward(), "b": LikelihoodReward()}, {"a": 0.5, "b": 2.0}),
)


def table(*rows, n_tokens=None):
    """A row is (answers, competitors); the first is without a candidate. One-token outputs: mean and sum are equal."""
    sums = np.array([[*answers, *competitors] for answers, competitors in rows])
    counts = np.ones(sums.shape, np.int32) if n_tokens is None else np.broadcast_to(np.int32(n_tokens), sums.shape)
    return ScoreTable(sums, counts, len(rows[0][0]))


def test_places_by_hand():
    assert rank(np.array(-2.0), np.array([-1.0, -3.0, -0.5])) == 3  # -1 and -0.5 are higher
    assert rank(np.array(-2.0), np.array([-2.0, -2.0, -3.0])) == 1  # a tie does not cost a rank
    assert rank(np.array(-2.0), np.array([])) == 1


def test_rank_rewards_by_hand():
    # Without a candidate: -3 against (-1, -2, -4) is place 3.
    rewards = rank_rewards(
        np.array(-3.0),
        np.array([-1.0, -2.0, -4.0]),
        np.array([-0.5, -2.0, -9.0]),
        np.array([[-1.0, -2.0, -4.0], [-1.0, -2.0, -4.0], [-1.0, -2.0, -4.0]]),
    )
    # Place 1: 3 - 1 = 2.  Place 2, tied with the second: 3 - 2 = 1.  Place 4: 3 - 4 = -1.
    assert rewards.tolist() == [2.0, 1.0, -1.0]


def test_likelihood_rewards_by_hand():
    assert likelihood_rewards(np.array(-3.0), np.array([-1.0, -3.0, -5.0])).tolist() == [2.0, 0.0, -2.0]


def test_normalised_likelihood_rewards_by_hand():
    # Of 4 nats of surprise 3 are taken away, none, and 2 are added: 3/4, 0, -2/4.
    assert normalised_likelihood_rewards(np.array(-4.0), np.array([-1.0, -4.0, -6.0])).tolist() == [0.75, 0.0, -0.5]
    # An output that is certain without a candidate has nothing to gain, and the reward stays finite.
    assert normalised_likelihood_rewards(np.array(0.0), np.array([0.0, -1.0])).tolist() == [0.0, -1000.0]


def test_smooth_rank_rewards_by_hand():
    # One competitor, temperature 1. Without: level, sigmoid(0) = 1/2. With: ln 3 behind it, sigmoid(ln 3) = 3/4, and
    # ln 3 before it, 1/4.
    ln3 = np.log(3.0)
    without, with_candidates = (np.array(-2.0), np.array([-2.0])), (np.array([-2.0, -2.0]),)
    rewards = smooth_rank_rewards(*without, *with_candidates, np.array([[-2 + ln3], [-2 - ln3]]), 1)
    np.testing.assert_allclose(rewards, [-0.25, 0.25], atol=1e-12)


def test_smooth_ranks_become_ranks_at_temperature_zero():
    chance = np.random.default_rng(0)
    given_scores = (chance.normal(size=()), chance.normal(size=9), chance.normal(size=5), chance.normal(size=(5, 9)))
    np.testing.assert_allclose(smooth_rank_rewards(*given_scores, 1e-6), rank_rewards(*given_scores), atol=1e-9)


def test_likelihood_orders_ties_and_never_outweighs_a_place():
    ranks, likelihoods = np.array([2.0, 2.0, 1.0, 0.0, 0.0]), np.array([0.5, -0.5, 30.0, 0.0, -1e4])
    rewards = rank_then_likelihood_rewards(ranks, likelihoods)
    assert rewards[0] > rewards[1] > rewards[2] > rewards[3] > rewards[4]
    assert rewards[3] == 0.0  # nothing changed
    assert rewards[4] == -0.5  # no place lost, and yet harmful


def test_configured_kinds_are_the_pure_functions():
    others = [-1.0, -2.0, -4.0]
    some = table(([-3.0], others), ([-0.5], others), ([-5.0], others))
    ranks, gains = [2.0, -1.0], [2.5, -2.0]
    assert RankReward()(some).tolist() == ranks
    assert NormalisedLikelihoodReward()(some) == pytest.approx([2.5 / 3, -2 / 3])
    assert RankThenLikelihoodReward()(some) == pytest.approx(
        [2 + 1 / (1 + np.exp(-2.5)) - 0.5, -1 + 1 / (1 + np.exp(2.0)) - 0.5]
    )
    assert SmoothRankReward(temperature=1e-3)(some) == pytest.approx(ranks)
    mix = MixReward({"a": RankReward(), "b": LikelihoodReward()}, {"a": 0.5, "b": 2.0})
    assert mix(some) == pytest.approx([0.5 * r + 2 * g for r, g in zip(ranks, gains, strict=True)])


@pytest.mark.parametrize("reward", ALL_REWARDS, ids=lambda reward: type(reward).__name__)
def test_queries_of_one_shape_together_earn_what_each_earns_alone(reward):
    chance = np.random.default_rng(0)
    sums = -chance.integers(1, 9, size=(5, 1 + 4, 2 + 3)).astype(float)  # 5 queries, 4 candidates, 2 answers: many ties
    counts = chance.integers(1, 4, size=sums.shape).astype(np.int32)
    together = reward(ScoreTable(sums, counts, 2))
    assert together.shape == (5, 4)
    for k in range(5):
        np.testing.assert_array_equal(together[k], reward(ScoreTable(sums[k], counts[k], 2)))


def test_a_mix_needs_a_weight_for_each():
    with pytest.raises(ConfigError, match=r"reward\.weights"):
        MixReward({"a": RankReward()}, {"b": 1.0})
    with pytest.raises(ConfigError, match=r"reward\.temperature"):
        SmoothRankReward(temperature=0.0)


@given(st.integers(0, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_rank_rewards_agree_with_the_loop_over_places(n, c, seed):
    chance = np.random.default_rng(seed)
    base, base_others = float(chance.integers(-4, 0)), chance.integers(-4, 0, n).astype(float)
    desired, others = chance.integers(-4, 0, c).astype(float), chance.integers(-4, 0, (c, n)).astype(float)
    loop = [(base_others > base).sum() - (others[k] > desired[k]).sum() for k in range(c)]
    rewards = rank_rewards(np.array(base), base_others, desired, others)
    assert rewards.tolist() == loop
    assert np.abs(rewards).max() <= n


def test_the_best_placed_of_several_answers_counts_each_time():
    others = [-1.0, -2.0, -4.0]
    some = table(([-5.0, -3.0], others), ([-0.5, -9.0], others), ([-9.0, -1.5], others))  # best answer -3: place 3
    assert RankReward()(some).tolist() == [2.0, 1.0]
    assert LikelihoodReward()(some).tolist() == [2.5, 1.5]


def test_mean_and_sum_can_disagree():
    # The answer has 4 tokens, -12 without and -4 with the candidate; the competitor has one token at -2.
    # Without: mean -3, sum -12, place 2 by either. With: mean -1 is place 1, sum -4 is place 2.
    some = table(([-12.0], [-2.0]), ([-4.0], [-2.0]), n_tokens=[4, 1])
    assert RankReward("mean")(some).tolist() == [1.0]
    assert RankReward("sum")(some).tolist() == [0.0]
    assert LikelihoodReward("mean")(some).tolist() == [2.0]
    assert LikelihoodReward("sum")(some).tolist() == [8.0]


@pytest.mark.parametrize("reward", ALL_REWARDS, ids=lambda reward: type(reward).__name__)
def test_no_candidates_and_no_competitors(reward):
    assert reward(table(([-1.0], [-2.0]))).shape == (0,)
    assert reward(table(([-1.0], []), ([-1.0], []))).tolist() == [0.0]


@pytest.mark.parametrize("reward", [RankReward, LikelihoodReward, SmoothRankReward])
def test_an_unknown_likelihood_is_refused(reward):
    with pytest.raises(ConfigError, match=r"reward\.likelihood"):
        reward("median")


def test_known_places_of_a_real_llm():
    known = json.loads((Path(__file__).parents[1] / "assets" / "lm_scores.json").read_text())
    for case in known["cases"]:
        sums, counts = (np.array([row[name] for row in case["rows"]]) for name in ("sum_logprob", "n_tokens"))
        places = [row["rank_of_desired"] for row in case["rows"]]
        assert RankReward()(ScoreTable(sums, counts, 1)).tolist() == [places[0] - other for other in places[1:]]
