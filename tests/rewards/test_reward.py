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
    place,
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
    ScoreTable,
    SmoothRankReward,
)
from embedder.types import OutputScore


def table(answers, competitors):
    """A table of one-token outputs, for which mean and sum are the same."""
    return ScoreTable(
        tuple(OutputScore(value, 1) for value in answers), tuple(OutputScore(value, 1) for value in competitors)
    )


def test_places_by_hand():
    assert place(-2.0, [-1.0, -3.0, -0.5]) == 3  # -1 and -0.5 are higher
    assert place(-2.0, [-2.0, -2.0, -3.0]) == 1  # a tie does not cost a place
    assert place(-2.0, []) == 1


def test_rank_rewards_by_hand():
    # Without a candidate: -3 against (-1, -2, -4) is place 3.
    rewards = rank_rewards(
        -3.0,
        np.array([-1.0, -2.0, -4.0]),
        np.array([-0.5, -2.0, -9.0]),
        np.array([[-1.0, -2.0, -4.0], [-1.0, -2.0, -4.0], [-1.0, -2.0, -4.0]]),
    )
    # Place 1: 3 - 1 = 2.  Place 2, tied with the second: 3 - 2 = 1.  Place 4: 3 - 4 = -1.
    assert rewards.tolist() == [2.0, 1.0, -1.0]


def test_likelihood_rewards_by_hand():
    assert likelihood_rewards(-3.0, np.array([-1.0, -3.0, -5.0])).tolist() == [2.0, 0.0, -2.0]


def test_normalised_likelihood_rewards_by_hand():
    # Of 4 nats of surprise 3 are taken away, none, and 2 are added: 3/4, 0, -2/4.
    assert normalised_likelihood_rewards(-4.0, np.array([-1.0, -4.0, -6.0])).tolist() == [0.75, 0.0, -0.5]
    # An output that is certain without a candidate has nothing to gain, and the reward stays finite.
    assert normalised_likelihood_rewards(0.0, np.array([0.0, -1.0])).tolist() == [0.0, -1000.0]


def test_smooth_rank_rewards_by_hand():
    # One competitor, temperature 1. Without: level, sigmoid(0) = 1/2. With: ln 3 behind it, sigmoid(ln 3) = 3/4, and
    # ln 3 before it, 1/4.
    ln3 = np.log(3.0)
    rewards = smooth_rank_rewards(-2.0, np.array([-2.0]), np.array([-2.0, -2.0]), np.array([[-2 + ln3], [-2 - ln3]]), 1)
    np.testing.assert_allclose(rewards, [-0.25, 0.25], atol=1e-12)


def test_smooth_ranks_become_ranks_at_temperature_zero():
    chance = np.random.default_rng(0)
    given_scores = (float(chance.normal()), chance.normal(size=9), chance.normal(size=5), chance.normal(size=(5, 9)))
    np.testing.assert_allclose(smooth_rank_rewards(*given_scores, 1e-6), rank_rewards(*given_scores), atol=1e-9)


def test_likelihood_orders_ties_and_never_outweighs_a_place():
    ranks, likelihoods = np.array([2.0, 2.0, 1.0, 0.0, 0.0]), np.array([0.5, -0.5, 30.0, 0.0, -1e4])
    rewards = rank_then_likelihood_rewards(ranks, likelihoods)
    assert rewards[0] > rewards[1] > rewards[2] > rewards[3] > rewards[4]
    assert rewards[3] == 0.0  # nothing changed
    assert rewards[4] == -0.5  # no place lost, and yet harmful


def test_configured_kinds_are_the_pure_functions():
    without = table([-3.0], [-1.0, -2.0, -4.0])
    some = [table([-0.5], [-1.0, -2.0, -4.0]), table([-5.0], [-1.0, -2.0, -4.0])]
    ranks, gains = [2.0, -1.0], [2.5, -2.0]
    assert RankReward()(without, some) == ranks
    assert NormalisedLikelihoodReward()(without, some) == pytest.approx([2.5 / 3, -2 / 3])
    assert RankThenLikelihoodReward()(without, some) == pytest.approx(
        [2 + 1 / (1 + np.exp(-2.5)) - 0.5, -1 + 1 / (1 + np.exp(2.0)) - 0.5]
    )
    assert SmoothRankReward(temperature=1e-3)(without, some) == pytest.approx(ranks)
    mix = MixReward({"a": RankReward(), "b": LikelihoodReward()}, {"a": 0.5, "b": 2.0})
    assert mix(without, some) == pytest.approx([0.5 * r + 2 * g for r, g in zip(ranks, gains, strict=True)])
    assert mix(without, []) == []


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
    loop = [place(base, base_others) - place(float(desired[k]), others[k]) for k in range(c)]
    rewards = rank_rewards(base, base_others, desired, others)
    assert rewards.tolist() == loop
    assert np.abs(rewards).max() <= n


def test_the_best_placed_of_several_answers_counts_each_time():
    without = table([-5.0, -3.0], [-1.0, -2.0, -4.0])  # best answer -3: place 3
    with_candidates = [table([-0.5, -9.0], [-1.0, -2.0, -4.0]), table([-9.0, -1.5], [-1.0, -2.0, -4.0])]
    assert RankReward()(without, with_candidates) == [2.0, 1.0]
    assert LikelihoodReward()(without, with_candidates) == [2.5, 1.5]


def test_mean_and_sum_can_disagree():
    # The answer has 4 tokens at -1 each: mean -1, sum -4. The competitor has one token at -2.
    without = ScoreTable((OutputScore(-12.0, 4),), (OutputScore(-2.0, 1),))  # mean -3, sum -12: place 2 by either
    with_candidate = [ScoreTable((OutputScore(-4.0, 4),), (OutputScore(-2.0, 1),))]
    assert RankReward("mean")(without, with_candidate) == [1.0]
    assert RankReward("sum")(without, with_candidate) == [0.0]
    assert LikelihoodReward("mean")(without, with_candidate) == [2.0]
    assert LikelihoodReward("sum")(without, with_candidate) == [8.0]


def test_no_candidates_and_no_competitors():
    assert RankReward()(table([-1.0], [-2.0]), []) == []
    assert LikelihoodReward()(table([-1.0], [-2.0]), []) == []
    assert RankReward()(table([-1.0], []), [table([-2.0], [])]) == [0.0]


@pytest.mark.parametrize("reward", [RankReward, LikelihoodReward, SmoothRankReward])
def test_an_unknown_likelihood_is_refused(reward):
    with pytest.raises(ConfigError, match=r"reward\.likelihood"):
        reward("median")


def test_known_places_of_a_real_llm():
    known = json.loads((Path(__file__).parents[1] / "assets" / "lm_scores.json").read_text())
    for case in known["cases"]:
        tables = []
        for row in case["rows"]:
            scores = [OutputScore(*pair) for pair in zip(row["sum_logprob"], row["n_tokens"], strict=True)]
            tables.append(ScoreTable((scores[0],), tuple(scores[1:])))
        places = [row["rank_of_desired"] for row in case["rows"]]
        assert RankReward()(tables[0], tables[1:]) == [places[0] - other for other in places[1:]]
