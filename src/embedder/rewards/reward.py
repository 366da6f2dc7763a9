"""The kinds of reward that can be configured: stored scores in, one number a candidate out, no LLM."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from embedder.errors import ConfigError
from embedder.rewards.maths import (
    Numbers,
    likelihood_rewards,
    normalised_likelihood_rewards,
    rank_rewards,
    rank_then_likelihood_rewards,
    smooth_rank_rewards,
)
from embedder.types import OutputScore


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The scores of all outputs after one prompt: the gold answers (at least one) and their competitors."""

    answers: tuple[OutputScore, ...]
    competitors: tuple[OutputScore, ...]


class Reward(Protocol):
    """Rewards of a query's candidates from the scores without and with each of them; larger is better."""

    def __call__(self, no_candidate: ScoreTable, with_candidate: Sequence[ScoreTable]) -> list[float]:
        """One reward for each candidate, in order."""
        ...


@dataclass(frozen=True)
class _LogLikelihoods:
    """Of the best answer and of its competitors, without a candidate and with each of C."""

    desired_without: float
    competitors_without: Numbers  # [N]
    desired_with: Numbers  # [C]
    competitors_with: Numbers  # [C, N]


@dataclass(frozen=True)
class _FromLikelihoods(ABC):
    """What the kinds of reward share: of several gold answers the likeliest one counts, each time anew.

    It is the best placed one too, since all answers face the same competitors.

    Args:
        likelihood: `mean` (log-likelihood per token) or `sum`.
    """

    likelihood: str = "mean"

    def __post_init__(self) -> None:
        if self.likelihood not in ("mean", "sum"):
            raise ConfigError("reward.likelihood", "'mean' or 'sum'", self.likelihood)

    def __call__(self, no_candidate: ScoreTable, with_candidate: Sequence[ScoreTable]) -> list[float]:
        """One reward for each candidate, in order."""
        if not with_candidate:
            return []
        rewards = self._rewards(
            _LogLikelihoods(
                self._values(no_candidate.answers).max(),
                self._values(no_candidate.competitors),
                np.array([self._values(table.answers).max() for table in with_candidate]),
                np.stack([self._values(table.competitors) for table in with_candidate]),
            )
        )
        return [float(reward) for reward in rewards]

    @abstractmethod
    def _rewards(self, given: _LogLikelihoods) -> Numbers: ...

    def _values(self, scores: Sequence[OutputScore]) -> Numbers:
        values = [score.mean_logprob if self.likelihood == "mean" else score.sum_logprob for score in scores]
        return np.array(values, dtype=np.float64)


@dataclass(frozen=True)
class RankReward(_FromLikelihoods):
    """Places gained among the LLM's own outputs: `rank_rewards`."""

    def _rewards(self, given: _LogLikelihoods) -> Numbers:
        return rank_rewards(**vars(given))


@dataclass(frozen=True)
class SmoothRankReward(_FromLikelihoods):
    """Places gained, each by how surely: `smooth_rank_rewards`.

    Args:
        likelihood: `mean` (log-likelihood per token) or `sum`.
        temperature: In nats; below it a margin counts in part.
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise ConfigError("reward.temperature", "a number above 0", self.temperature)

    def _rewards(self, given: _LogLikelihoods) -> Numbers:
        return smooth_rank_rewards(**vars(given), temperature=self.temperature)


@dataclass(frozen=True)
class RankThenLikelihoodReward(_FromLikelihoods):
    """Places gained, and inside ties the log-likelihood gained: `rank_then_likelihood_rewards`."""

    def _rewards(self, given: _LogLikelihoods) -> Numbers:
        return rank_then_likelihood_rewards(
            rank_rewards(**vars(given)), likelihood_rewards(given.desired_without, given.desired_with)
        )


@dataclass(frozen=True)
class LikelihoodReward(_FromLikelihoods):
    """Log-likelihood gained by the answer: `likelihood_rewards`."""

    def _rewards(self, given: _LogLikelihoods) -> Numbers:
        return likelihood_rewards(given.desired_without, given.desired_with)


@dataclass(frozen=True)
class NormalisedLikelihoodReward(_FromLikelihoods):
    """Share of the answer's surprise taken away: `normalised_likelihood_rewards`."""

    def _rewards(self, given: _LogLikelihoods) -> Numbers:
        return normalised_likelihood_rewards(given.desired_without, given.desired_with)


@dataclass(frozen=True)
class MixReward:
    """A weighted sum of rewards.

    Args:
        rewards: What is mixed, by a name of your choice.
        weights: One for each name. Rewards differ in scale (places, nats, shares), and weights make up for it.
    """

    rewards: Mapping[str, Reward]
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rewards", dict(self.rewards))  # Hydra hands over its own mappings, which
        object.__setattr__(self, "weights", dict(self.weights))  # would show up in the protocol
        if not self.rewards or set(self.rewards) != set(self.weights):
            raise ConfigError("reward.weights", f"one weight for each of {sorted(self.rewards)}", self.weights)
        if not all(math.isfinite(weight) for weight in self.weights.values()):
            raise ConfigError("reward.weights", "finite numbers", self.weights)

    def __call__(self, no_candidate: ScoreTable, with_candidate: Sequence[ScoreTable]) -> list[float]:
        """One reward for each candidate, in order."""
        total = np.zeros(len(with_candidate))
        for name, reward in self.rewards.items():
            total += self.weights[name] * np.array(reward(no_candidate, with_candidate))
        return [float(value) for value in total]
