"""Turn stored log-likelihoods into rewards: how much a candidate helps the LLM towards the right answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from embedder.errors import ConfigError
from embedder.types import OutputScore

Numbers = npt.NDArray[np.float64]


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


def place(desired: float, competitors: npt.ArrayLike) -> int:
    """1 + the number of competitors with a strictly higher log-likelihood, so a tie does not cost a place."""
    return 1 + int(np.count_nonzero(np.asarray(competitors, dtype=np.float64) > desired))


def rank_rewards(
    desired_without: float, competitors_without: Numbers, desired_with: Numbers, competitors_with: Numbers
) -> Numbers:
    """Places that the desired output gains by each candidate.

        R(C) = place(O | U) - place(O | U, C)

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), rank-aware reward.

    Args:
        desired_without: Log-likelihood of the desired output without a candidate.
        competitors_without: Those of its N competitors, [N].
        desired_with: Log-likelihood of the desired output with each of C candidates, [C].
        competitors_with: Those of its competitors, [C, N].

    Returns:
        Whole numbers from -N to N, [C]; negative where a candidate makes things worse.
    """
    places_with: Numbers = 1.0 + np.count_nonzero(competitors_with > desired_with[:, None], axis=1)  # [C]
    return place(desired_without, competitors_without) - places_with


def likelihood_rewards(desired_without: float, desired_with: Numbers) -> Numbers:
    """Log-likelihood that the desired output gains by each candidate.

        R(C) = log p(O | U, C) - log p(O | U)

    Args:
        desired_without: Log-likelihood of the desired output without a candidate.
        desired_with: Log-likelihood of the desired output with each of C candidates, [C].

    Returns:
        Gains in nats, [C].
    """
    return desired_with - desired_without


@dataclass(frozen=True)
class RankReward:
    """Places gained among the LLM's own outputs; of several gold answers the best placed one counts.

    Args:
        likelihood: `mean` (log-likelihood per token) or `sum`.
    """

    likelihood: str = "mean"

    def __post_init__(self) -> None:
        _check("reward.likelihood", self.likelihood)

    def __call__(self, no_candidate: ScoreTable, with_candidate: Sequence[ScoreTable]) -> list[float]:
        """One reward for each candidate, in order."""
        if not with_candidate:
            return []
        competitors = np.stack([_values(table.competitors, self.likelihood) for table in with_candidate])  # [C, N]
        rewards = rank_rewards(
            _best(no_candidate, self.likelihood),
            _values(no_candidate.competitors, self.likelihood),
            np.array([_best(table, self.likelihood) for table in with_candidate]),
            competitors,
        )
        return [float(reward) for reward in rewards]


@dataclass(frozen=True)
class LikelihoodReward:
    """Log-likelihood gained by the answer; of several gold answers the likeliest one counts, each time anew.

    Args:
        likelihood: `mean` (log-likelihood per token) or `sum`.
    """

    likelihood: str = "mean"

    def __post_init__(self) -> None:
        _check("reward.likelihood", self.likelihood)

    def __call__(self, no_candidate: ScoreTable, with_candidate: Sequence[ScoreTable]) -> list[float]:
        """One reward for each candidate, in order."""
        desired = np.array([_best(table, self.likelihood) for table in with_candidate])
        return [float(reward) for reward in likelihood_rewards(_best(no_candidate, self.likelihood), desired)]


def _check(setting: str, likelihood: str) -> None:
    if likelihood not in ("mean", "sum"):
        raise ConfigError(setting, "'mean' or 'sum'", likelihood)


def _values(scores: Sequence[OutputScore], likelihood: str) -> Numbers:
    values = [score.mean_logprob if likelihood == "mean" else score.sum_logprob for score in scores]
    return np.array(values, dtype=np.float64)


def _best(table: ScoreTable, likelihood: str) -> float:
    # The likeliest answer is also the best placed one, since all answers face the same competitors.
    return float(_values(table.answers, likelihood).max())
