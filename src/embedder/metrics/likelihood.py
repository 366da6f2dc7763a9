"""Which of several options a model would choose, by its log-likelihoods."""

from collections.abc import Sequence


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
