"""Which options of a multiple-choice query are right, and which one an LLM chooses."""

from collections.abc import Collection, Sequence
from math import exp


def right_options(options: Sequence[str], answers: Sequence[str]) -> list[int]:
    """Positions of the options that are answers, but for white space around, and for case where none is one as it is.

    Answer normalisation would make one of `5` and `-5`, of `C` and `C++`; case tells genotypes such as `Aa` and `AA`.

    >>> right_options(["Aa", "AA"], ["AA"]), right_options(["Paris", "Oru"], [" paris"])
    ([1], [0])
    """
    for form in (str.strip, _plain):
        wanted = {form(answer) for answer in answers}
        if right := [position for position, option in enumerate(options) if form(option) in wanted]:
            return right
    return []


def wrong_options(options: Sequence[str], answers: Sequence[str]) -> tuple[str, ...]:
    """The others, each text once; none where all are right."""
    right = set(right_options(options, answers))
    return tuple(dict.fromkeys(option for position, option in enumerate(options) if position not in right))


def best_option(log_likelihoods: Sequence[float]) -> int:
    """Position of the option with the lowest mean negative log-likelihood; of equal ones the first.

    Args:
        log_likelihoods: Mean log-likelihood per token of each option, in nats; at least one.
    """
    return max(range(len(log_likelihoods)), key=log_likelihoods.__getitem__)


def probability_of(right: Collection[int], log_likelihoods: Sequence[float]) -> float:
    """The probability that one of these options is chosen, if one of all is drawn by its likelihood.

    It changes by degrees where the best option is right or wrong, so that fewer queries show a difference.

    >>> round(probability_of([1], [-2.0, -1.0]), 3)
    0.731

    Args:
        right: Positions of options.
        log_likelihoods: Of each option, in nats.
    """
    highest = max(log_likelihoods)
    weights = [exp(value - highest) for value in log_likelihoods]
    return sum(weights[position] for position in right) / sum(weights)


def _plain(text: str) -> str:
    return text.strip().casefold()
