"""The rewards as pure functions of log-likelihoods; larger is better, and negative if a candidate does harm.

Of a query with C candidates and N competitors of its desired output (several queries of one shape may stand in front):
    desired_without: Log-likelihood of the desired output after the prompt that shows no candidate, [...].
    competitors_without: Those of the competitors, [..., N].
    desired_with: Log-likelihood of the desired output with each candidate, [..., C].
    competitors_with: Those of the competitors, [..., C, N].
"""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def rank(desired: Numbers, competitors: Numbers) -> Numbers:
    """1 + the number of competitors with a strictly higher log-likelihood, so a tie does not cost a rank.

    Args:
        desired: Log-likelihoods of desired outputs, [...].
        competitors: Those of their competitors, [..., N].
    """
    ranks: Numbers = 1.0 + np.count_nonzero(competitors > desired[..., None], axis=-1)
    return ranks


def rank_rewards(
    desired_without: Numbers, competitors_without: Numbers, desired_with: Numbers, competitors_with: Numbers
) -> Numbers:
    """Ranks that the desired output gains by each candidate.

        R(C) = rank(O | U) - rank(O | U, C)

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), rank-aware reward.

    Returns:
        Whole numbers from -N to N, [..., C].
    """
    return rank(desired_without, competitors_without)[..., None] - rank(desired_with, competitors_with)


def smooth_rank_rewards(
    desired_without: Numbers,
    competitors_without: Numbers,
    desired_with: Numbers,
    competitors_with: Numbers,
    temperature: float,
) -> Numbers:
    """Ranks gained, where each competitor counts by how surely the desired output beats it.

        s(O) = sum over competitors of sigmoid((log p(competitor) - log p(O)) / temperature)
        R(C) = s(O | U) - s(O | U, C)

    As the temperature, in nats, falls to 0 this becomes `rank_rewards`, but for ties, which count half a rank. Unlike
    ranks it does not saturate where every candidate beats all competitors.

    Returns:
        From -N to N, [..., C].
    """

    def soft_rank(desired: Numbers, competitors: Numbers) -> Numbers:
        ahead: Numbers = _sigmoid((competitors - desired[..., None]) / temperature).sum(axis=-1)
        return ahead

    return soft_rank(desired_without, competitors_without)[..., None] - soft_rank(desired_with, competitors_with)


def likelihood_rewards(desired_without: Numbers, desired_with: Numbers) -> Numbers:
    """Log-likelihood that the desired output gains by each candidate.

        R(C) = log p(O | U, C) - log p(O | U)

    Returns:
        Gains in nats, [..., C].
    """
    return desired_with - desired_without[..., None]


def normalised_likelihood_rewards(desired_without: Numbers, desired_with: Numbers) -> Numbers:
    """The share of the desired output's negative log-likelihood that each candidate removes.

        R(C) = 1 - log p(O | U, C) / log p(O | U)

    1 makes the output certain and 0 changes nothing, so queries that the LLM finds easy and hard are on one scale.

    Returns:
        At most 1, without a unit, [..., C].
    """
    # An output that is certain already leaves nothing to gain; a thousandth of a nat keeps the ratio finite.
    before = desired_without[..., None]
    return (desired_with - before) / np.maximum(-before, 1e-3)


def rank_then_likelihood_rewards(ranks: Numbers, likelihoods: Numbers) -> Numbers:
    """Ranks gained, and inside equal ranks the log-likelihood gained.

    The gain is squeezed into less than half a rank either way, so it never outweighs a rank, and a candidate that
    changes nothing still earns 0.

    Args:
        ranks: Rewards of `rank_rewards`, [..., C].
        likelihoods: Rewards of `likelihood_rewards`, [..., C].

    Returns:
        From -N - 1/2 to N + 1/2, [..., C].
    """
    return ranks + _sigmoid(likelihoods) - 0.5


def _sigmoid(x: Numbers) -> Numbers:
    # tanh does not overflow, whatever the sign.
    result: Numbers = 0.5 * (1.0 + np.tanh(0.5 * x))
    return result
