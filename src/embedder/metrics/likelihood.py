"""Numbers read off log-likelihoods: perplexity, and which of some options a model would choose."""

import math
from collections.abc import Sequence
from statistics import fmean


def perplexity(log_likelihoods: Sequence[float]) -> float:
    """Exp of the mean surprise: as uncertain as a choice among so many equally likely tokens.

        perplexity = exp(-sum_i l_i / n)

    Of one text it is the usual perplexity; of several it is the geometric mean of theirs, each text counting the same.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), mean over samples, then exp.

    Args:
        log_likelihoods: Mean log-likelihood per token of each text, in nats.

    Raises:
        ValueError: There are none.
    """
    if not log_likelihoods:
        raise ValueError("perplexity: there are no log-likelihoods")
    return math.exp(-fmean(log_likelihoods))


def best_option(log_likelihoods: Sequence[float]) -> int:
    """Position of the option with the lowest mean negative log-likelihood; of equal ones the first.

    Args:
        log_likelihoods: Mean log-likelihood per token of each option, in nats.

    Raises:
        ValueError: There are none.
    """
    if not log_likelihoods:
        raise ValueError("best_option: there are no options")
    return max(range(len(log_likelihoods)), key=log_likelihoods.__getitem__)
