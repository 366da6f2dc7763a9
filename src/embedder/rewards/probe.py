"""Time a few requests on this machine, to know what labelling will take."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import TypeVar

import numpy as np

from embedder.errors import ConfigError
from embedder.llm.sampled_outputs import DRAWS, sample_competitors
from embedder.metrics.options import wrong_options
from embedder.rewards.engine import LabelRequest
from embedder.types import LanguageModel

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_TEXT_BYTES = 4  # length of a stored text
_TOKENISED_CHARACTERS = 1000  # of a prompt, to learn how many characters make a token


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How a probe runs; all but `n_requests` are those of the `RewardEngine`."""

    n_outputs: int = 10
    temperature: float = 1.0
    max_new_tokens: int = 12
    max_answers: int = 3
    seed: int = 0
    n_requests: int = 6

    def __post_init__(self) -> None:
        if self.n_requests < 1:
            raise ConfigError("probe.n_requests", "1 or more", self.n_requests)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one request took alone.

    Args:
        prompts: Prompts scored: the one without a candidate and those with one.
        score_characters: Their mean length.
        score_seconds: For all of them.
        sample_characters: Length of the prompt that was sampled after.
        sample_seconds: For one round of `DRAWS` outputs.
    """

    prompts: int
    score_characters: float
    score_seconds: float
    sample_characters: int
    sample_seconds: float


@dataclass(frozen=True, slots=True)
class Probe:
    """What a few requests took on this machine.

    Args:
        timings: Of each request alone, from the shortest to the longest.
        score_together: Seconds of scoring all of them at once, divided by those one by one; below 1 where batches help,
            above 1 where they do not, as on a busy CPU.
        sample_together: The same of sampling.
        rounds: Rounds of sampling a query needed until it had enough different wrong outputs, mean.
        output_tokens: Of a scored output, mean.
        characters_per_token: Of the prompts.
        sample_bytes: Of the outputs of one round, mean.
    """

    timings: tuple[Timing, ...]
    score_together: float
    sample_together: float
    rounds: float
    output_tokens: float
    characters_per_token: float
    sample_bytes: float


def probe(
    language_model: LanguageModel,
    requests: Sequence[LabelRequest],
    settings: ProbeSettings,
    clock: Callable[[], float] = time.perf_counter,
) -> Probe:
    """Time a few requests, from the shortest to the longest, each alone and then all together.

    The shortest is run once before, untimed: a first call loads weights and warms caches. No store is read or written.

    Args:
        language_model: Samples and scores.
        requests: What is to be labelled, or a part of it.
        settings: As they will be for labelling.
        clock: Seconds from any origin.

    Raises:
        ConfigError: There are no requests.
    """
    if not requests:
        raise ConfigError("prepare", "queries to label", "none")
    started = clock()
    chosen = _spread(requests, settings.n_requests, settings.seed)
    drawn: list[tuple[str, list[str]]] = []

    def sample(prompts: Sequence[str], seeds: Sequence[int]) -> list[list[str]]:
        return language_model.sample(prompts, DRAWS, settings.max_new_tokens, settings.temperature, seeds)

    def draw(prompts: list[str], seeds: list[int]) -> list[list[str]]:
        outputs = sample(prompts, seeds)
        drawn.extend(zip(prompts, outputs, strict=True))
        return outputs

    def timed(work: Callable[[], Result]) -> tuple[float, Result]:
        before = clock()
        result = work()
        return max(clock() - before, 1e-9), result  # a coarse clock may not have moved

    sample(sample_prompts(chosen[0])[:1], [settings.seed])
    language_model.score([chosen[0].prompt], [scored_answers(chosen[0], 1)])

    # All together first, as labelling does it: what is sampled is what is scored, and the rounds it takes are counted.
    asked = [sample_prompts(request) for request in chosen]
    answers = [request.answers for request in chosen]
    sample_seconds, competitors = timed(
        partial(sample_competitors, draw, asked, answers, settings.n_outputs, settings.seed)
    )
    work = [
        _scoring(
            request,
            [
                *scored_answers(request, settings.max_answers),
                *(
                    wrong_options(request.options, request.answers)
                    if request.options
                    else [request.lead + output for output in some]
                ),
            ],
        )
        for request, some in zip(chosen, competitors, strict=True)
    ]
    score_seconds, scored = timed(
        partial(
            language_model.score,
            [prompt for prompts, _ in work for prompt in prompts],
            [some for _, outputs in work for some in outputs],
        )
    )
    timings = []
    for some_asked, (prompts, outputs) in zip(asked, work, strict=True):
        score_alone, _ = timed(partial(language_model.score, prompts, outputs))
        sample_alone, _ = timed(partial(sample, some_asked[:1], [settings.seed]))
        timings.append(
            Timing(
                prompts=len(prompts),
                score_characters=fmean(map(len, prompts)),
                score_seconds=score_alone,
                sample_characters=len(some_asked[0]),
                sample_seconds=sample_alone,
            )
        )
    texts = [_longest_prompt(request)[-_TOKENISED_CHARACTERS:] for request in chosen]
    # The tokens of a prompt are learnt by scoring it as an output; the protocol does not count them otherwise.
    tokenised = language_model.score(["\n"] * len(texts), [[text] for text in texts])
    logger.info(
        "timed sampling and scoring of %d of %d queries in %.1f s", len(chosen), len(requests), clock() - started
    )
    return Probe(
        timings=tuple(timings),
        score_together=score_seconds / sum(timing.score_seconds for timing in timings),
        sample_together=(
            sample_seconds / len(drawn) / fmean(timing.sample_seconds for timing in timings) if drawn else 1.0
        ),
        rounds=len(drawn) / len(chosen),
        output_tokens=fmean(score.n_tokens for some in scored for score in some),
        characters_per_token=sum(map(len, texts)) / sum(some[0].n_tokens for some in tokenised),
        sample_bytes=sum(len(text.encode()) + _TEXT_BYTES for _, outputs in drawn for text in outputs)
        / max(1, len(drawn)),
    )


def sample_prompts(request: LabelRequest) -> tuple[str, ...]:
    """What competitors of a request are sampled after."""
    return request.sample_prompts or (request.prompt,)


def scored_answers(request: LabelRequest, max_answers: int) -> list[str]:
    """The gold answers of a request that are scored."""
    return list(dict.fromkeys(answer for answer in request.answers if answer.strip()))[:max_answers]


def _spread(requests: Sequence[LabelRequest], n: int, seed: int) -> list[LabelRequest]:
    """The shortest, the longest, and one at random of each equal part between, in order of length."""
    order = sorted(range(len(requests)), key=lambda k: (_characters(requests[k]), k))
    if n >= len(order):
        return [requests[k] for k in order]
    if n == 1:
        return [requests[order[len(order) // 2]]]
    generator = np.random.default_rng(seed)
    parts = np.array_split(np.array(order[1:-1]), max(n - 2, 1))[: n - 2]
    inner = [int(part[generator.integers(len(part))]) for part in parts]
    return [requests[k] for k in (order[0], *inner, order[-1])]


def _characters(request: LabelRequest) -> int:
    return len(request.prompt) + sum(map(len, request.candidate_prompts))


def _longest_prompt(request: LabelRequest) -> str:
    return max((request.prompt, *request.candidate_prompts), key=len)


def _scoring(request: LabelRequest, outputs: list[str]) -> tuple[list[str], list[list[str]]]:
    prompts = [request.prompt, *request.candidate_prompts]
    return prompts, [outputs] * len(prompts)
