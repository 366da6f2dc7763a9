"""The kinds of reward that can be configured: stored scores in, one number a candidate out, no LLM."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from embedder.bounds import PositiveFloat
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.rewards.asking import is_written
from embedder.rewards.maths import (
    Numbers,
    likelihood_rewards,
    normalised_likelihood_rewards,
    rank_rewards,
    rank_then_likelihood_rewards,
    smooth_rank_rewards,
)
from embedder.rewards.tables import Reward, ScoreTable


@dataclass(frozen=True)
class _LogLikelihoods:
    """Of the best answer and of its competitors, without a candidate and with each of C."""

    desired_without: Numbers  # [...]
    competitors_without: Numbers  # [..., N]
    desired_with: Numbers  # [..., C]
    competitors_with: Numbers  # [..., C, N]


@dataclass(frozen=True)
class _FromLikelihoods(ABC):
    """What the kinds of reward share: for each candidate, and without one, the likeliest gold answer counts.

    It also has the best rank, since all answers have the same competitors.

    Args:
        likelihood: `mean` (log-likelihood per token) or `sum`.
    """

    likelihood: Literal["mean", "sum"] = "mean"

    def __call__(self, table: ScoreTable) -> Numbers:
        """One reward for each candidate, [..., C]."""
        values = table.sums / table.counts if self.likelihood == "mean" else table.sums  # [..., 1 + C, A + N]
        desired = values[..., : table.n_answers].max(axis=-1)  # [..., 1 + C]
        competitors = values[..., table.n_answers :]  # [..., 1 + C, N]
        return self._rewards(
            _LogLikelihoods(desired[..., 0], competitors[..., 0, :], desired[..., 1:], competitors[..., 1:, :])
        )

    @abstractmethod
    def _rewards(self, given: _LogLikelihoods) -> Numbers: ...


@dataclass(frozen=True)
class NoReward:
    """What `reward=none` stands for: tasks train on labels alone, and nothing is judged."""

    def __call__(self, table: ScoreTable) -> Numbers:
        """Never called: what needs rewards refuses this one before the LLM runs."""
        raise ConfigError("reward", "a kind of reward", "none")


@checked("reward")
@dataclass(frozen=True)
class RankReward(_FromLikelihoods):
    """Ranks gained among the LLM's own outputs: `rank_rewards`."""

    def _rewards(self, given: _LogLikelihoods) -> Numbers:
        return rank_rewards(**vars(given))


@checked("reward")
@dataclass(frozen=True)
class SmoothRankReward(_FromLikelihoods):
    """Ranks gained, each counted by how surely: `smooth_rank_rewards`.

    Args:
        likelihood: `mean` (log-likelihood per token) or `sum`.
        temperature: In nats; below it a margin counts in part.
    """

    temperature: PositiveFloat = 1.0

    def _rewards(self, given: _LogLikelihoods) -> Numbers:
        return smooth_rank_rewards(**vars(given), temperature=self.temperature)


@checked("reward")
@dataclass(frozen=True)
class RankThenLikelihoodReward(_FromLikelihoods):
    """Ranks gained, and inside ties the log-likelihood gained: `rank_then_likelihood_rewards`."""

    def _rewards(self, given: _LogLikelihoods) -> Numbers:
        return rank_then_likelihood_rewards(
            rank_rewards(**vars(given)), likelihood_rewards(given.desired_without, given.desired_with)
        )


@checked("reward")
@dataclass(frozen=True)
class LikelihoodReward(_FromLikelihoods):
    """Log-likelihood gained by the answer: `likelihood_rewards`."""

    def _rewards(self, given: _LogLikelihoods) -> Numbers:
        return likelihood_rewards(given.desired_without, given.desired_with)


@checked("reward")
@dataclass(frozen=True)
class NormalisedLikelihoodReward(_FromLikelihoods):
    """Share of the answer's negative log-likelihood removed: `normalised_likelihood_rewards`."""

    def _rewards(self, given: _LogLikelihoods) -> Numbers:
        return normalised_likelihood_rewards(given.desired_without, given.desired_with)


def needs_competitors(reward: Reward) -> bool:
    """Whether a reward needs competitors; not known for a reward of the user's own."""
    if isinstance(reward, MixReward):
        return any(map(needs_competitors, reward.rewards.values()))
    return isinstance(reward, RankReward | SmoothRankReward | RankThenLikelihoodReward)


def ranks_ties_first(reward: Reward) -> bool:
    """Whether an answer that ties with all competitors is at rank 1; not known for a reward of the user's own."""
    if isinstance(reward, MixReward):
        return any(map(ranks_ties_first, reward.rewards.values()))
    return isinstance(reward, RankReward | RankThenLikelihoodReward)


@dataclass(frozen=True)
class MixReward:
    """A weighted sum of rewards.

    Args:
        rewards: What is mixed, by a name of your choice.
        weights: One for each name. Rewards differ in scale (ranks, nats, shares), and weights make up for it.
    """

    rewards: Mapping[str, Reward]
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rewards", dict(self.rewards))  # Hydra hands over its own mappings, which
        object.__setattr__(self, "weights", dict(self.weights))  # would show up in the protocol
        if not self.rewards or set(self.rewards) != set(self.weights):
            raise ConfigError("reward.weights", f"one weight for each of {sorted(self.rewards)}", self.weights)
        if any(map(is_written, self.rewards.values())):
            raise ConfigError("reward.rewards", "rewards from log-likelihoods", sorted(self.rewards))
        if not all(math.isfinite(weight) for weight in self.weights.values()):
            raise ConfigError("reward.weights", "finite numbers", self.weights)

    def __call__(self, table: ScoreTable) -> Numbers:
        """One reward for each candidate, [..., C]."""
        parts = [self.weights[name] * reward(table) for name, reward in self.rewards.items()]
        total: Numbers = np.sum(parts, axis=0)
        return total
