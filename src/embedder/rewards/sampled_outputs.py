"""Choose the competitors of an answer: distinct outputs that the LLM itself writes for a query, none of them right."""

import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from embedder.bounds import NonNegativeInt, PositiveFloat, PositiveInt, Seed
from embedder.checks import checked
from embedder.metrics.text import normalise_answer

logger = logging.getLogger(__name__)

DRAWS = 10
"""Outputs sampled in a round. Fixed, so that a smaller number of competitors is a prefix of a larger one and needs no
new call of the LLM."""
_MAX_ROUNDS = 4  # for each started ten competitors

Draw = Callable[[list[str], list[int]], list[list[str]]]
"""Samples `DRAWS` outputs after each prompt, given one seed a prompt."""


@checked("llm_outputs")
@dataclass(frozen=True)
class OutputSettings:
    """Which outputs of a query the LLM scores: its gold answers, and competitors that the LLM itself writes.

    Args:
        n_outputs: Competitors sampled for each query; 0 for none.
        temperature: Of the sampled competitors.
        max_new_tokens: Longest sampled competitor.
        max_answers: Gold answers scored for each query, the first ones; further ones are still never competitors.
        seed: Of the sampled competitors.
    """

    n_outputs: NonNegativeInt = 10
    temperature: PositiveFloat = 1.0
    max_new_tokens: PositiveInt = 12
    max_answers: PositiveInt = 3
    seed: Seed = 0


def sample_competitors(
    draw: Draw, prompts: Sequence[Sequence[str]], answers: Sequence[Sequence[str]], n_outputs: int, seed: int
) -> list[tuple[str, ...]]:
    """Up to `n_outputs` distinct wrong outputs for each query.

    Outputs that are empty, equal to a gold answer or equal to an earlier output after answer normalisation are dropped,
    and more are sampled, a bounded number of times. A query may stay short of `n_outputs`.

    Args:
        draw: Samples from the LLM, or reads what it sampled before.
        prompts: Of each query, the prompts to sample after: the one without a candidate, or several with candidates,
            which take turns and give equal shares in the first turn.
        answers: The gold answers of each query.
        n_outputs: Competitors wanted.
        seed: With the prompt and the round it makes the seed of every draw, so no query depends on another.

    Returns:
        The competitors of each query in the order sampled, as the LLM wrote them.
    """
    taken = [{normalise_answer(answer) for answer in own} | {""} for own in answers]
    competitors: list[list[str]] = [[] for _ in prompts]
    turns = _MAX_ROUNDS * math.ceil(n_outputs / DRAWS)
    for number in range(turns * max(map(len, prompts), default=0)):
        short = [i for i, own in enumerate(competitors) if len(own) < n_outputs and number < turns * len(prompts[i])]
        if not short:
            break
        rounds = [divmod(number, len(prompts[i])) for i in short]  # round, and which prompt
        drawn_after = [prompts[i][k] for i, (_, k) in zip(short, rounds, strict=True)]
        seeds = [
            _seed(seed, round_number, prompt) for prompt, (round_number, _) in zip(drawn_after, rounds, strict=True)
        ]
        for i, (round_number, k), outputs in zip(short, rounds, draw(drawn_after, seeds), strict=True):
            most = n_outputs if round_number else math.ceil(n_outputs * (k + 1) / len(prompts[i]))
            for output in outputs:
                normalised = normalise_answer(output)
                if normalised not in taken[i] and len(competitors[i]) < most:
                    taken[i].add(normalised)
                    competitors[i].append(output)
    return [tuple(own) for own in competitors]


def warn_of_few(competitors: Sequence[Sequence[str]], n_outputs: int) -> None:
    """Count in the log the queries whose competitors are fewer than was asked for."""
    if short := [len(own) for own in competitors if len(own) < n_outputs]:
        message = "%d of %d queries have fewer than %d competitors (the fewest: %d): the LLM repeats itself"
        logger.warning(message, len(short), len(competitors), n_outputs, min(short))


def _seed(seed: int, round_number: int, prompt: str) -> int:
    digest = hashlib.blake2b(f"{seed}:{round_number}:{prompt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # a torch generator takes 63 bits
