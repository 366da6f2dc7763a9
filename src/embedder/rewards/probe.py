"""Time a few requests on this machine, to know what labelling will take."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

import numpy as np

from embedder.rewards.requests import LabelRequest, Outputs, choose_outputs, prompts_with_outputs
from embedder.rewards.sampled_outputs import DRAWS, OutputSettings
from embedder.types import LanguageModel, OutputScore

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_TEXT_BYTES = 4  # length of a stored text


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
        score_tokens: That the LLM counts when it scores, for each character of a prompt; 0 if it says nothing.
        sample_tokens: The same of sampling.
        sample_bytes: Of the outputs of one round, mean.
    """

    timings: tuple[Timing, ...]
    score_together: float
    sample_together: float
    rounds: float
    score_tokens: float
    sample_tokens: float
    sample_bytes: float


def probe(
    language_model: LanguageModel,
    requests: Sequence[LabelRequest],
    settings: OutputSettings,
    n_requests: int = 6,
    clock: Callable[[], float] = time.perf_counter,
) -> Probe:
    """Time a few requests, from the shortest to the longest, each alone and then all together.

    The shortest is run once before, untimed: a first call loads weights and warms caches. No store is read or written.

    Args:
        language_model: Samples and scores.
        requests: What is to be labelled, or a part of it; at least one.
        settings: As they will be for labelling.
        n_requests: So many are timed.
        clock: Seconds from any origin.
    """
    started = clock()
    chosen = spread(requests, n_requests, settings.seed)
    runner = _Runner(language_model, settings, clock)
    runner.warm_up(chosen[0])
    # All together first, as labelling does it: what is sampled is what is scored, and the rounds it takes are counted.
    sample_seconds, sample_tokens, outputs = runner.timed(lambda: choose_outputs(chosen, settings, runner.sample))
    score_seconds, score_tokens, _ = runner.timed(lambda: runner.score(chosen, outputs))
    timings = [runner.time_alone(request, own) for request, own in zip(chosen, outputs, strict=True)]
    logger.info(
        "timed sampling and scoring of %d of %d queries in %.1f s", len(chosen), len(requests), clock() - started
    )
    open_requests = sum(not request.options for request in chosen)
    sampled = runner.sampled
    sampled_bytes = sum(len(text.encode()) + _TEXT_BYTES for texts in sampled for text in texts)
    return Probe(
        timings=tuple(timings),
        score_together=score_seconds / sum(timing.score_seconds for timing in timings),
        sample_together=(
            sample_seconds / len(sampled) / fmean(timing.sample_seconds for timing in timings) if sampled else 1.0
        ),
        rounds=len(sampled) / max(1, open_requests),
        score_tokens=score_tokens / sum(len(prompt) for request in chosen for prompt in request.prompts),
        sample_tokens=sample_tokens / max(1, runner.sampled_characters),
        sample_bytes=sampled_bytes / max(1, len(sampled)),
    )


class _Runner:
    """Runs the LLM as labelling does, measures the time, and keeps the sampled outputs."""

    def __init__(self, language_model: LanguageModel, settings: OutputSettings, clock: Callable[[], float]) -> None:
        self._language_model, self._settings, self._clock = language_model, settings, clock
        self.sampled: list[list[str]] = []
        self.sampled_characters = 0  # of their prompts

    def timed(self, work: Callable[[], Result]) -> tuple[float, int, Result]:
        """The seconds and tokens that some work took, and its result."""
        before, tokens = self._clock(), self._language_model.tokens_run
        result = work()
        seconds = max(self._clock() - before, 1e-9)  # a coarse clock may not have moved
        return seconds, self._language_model.tokens_run - tokens, result

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """`n` sampled continuations of each prompt."""
        outputs = self._language_model.sample(prompts, n, max_new_tokens, temperature, seeds)
        self.sampled += outputs
        self.sampled_characters += sum(map(len, prompts))
        return outputs

    def score(self, requests: Sequence[LabelRequest], outputs: Sequence[Outputs]) -> list[list[OutputScore]]:
        """Scores of the outputs of each request after each of its prompts."""
        prompts, texts = prompts_with_outputs(requests, outputs)
        return self._language_model.score(prompts, texts)

    def warm_up(self, request: LabelRequest) -> None:
        """One round of sampling and one score."""
        self._sample_once(request)
        self._language_model.score([request.prompt], [request.distinct_answers(1)])

    def time_alone(self, request: LabelRequest, outputs: Outputs) -> Timing:
        """How long a request takes by itself."""
        score_seconds, _, _ = self.timed(lambda: self.score([request], [outputs]))
        sample_seconds, _, _ = self.timed(lambda: self._sample_once(request))
        return Timing(
            prompts=len(request.prompts),
            score_characters=fmean(map(len, request.prompts)),
            score_seconds=score_seconds,
            sample_characters=len(request.sampled_after[0]),
            sample_seconds=sample_seconds,
        )

    def _sample_once(self, request: LabelRequest) -> None:
        settings = self._settings
        self._language_model.sample(
            request.sampled_after[:1], DRAWS, settings.max_new_tokens, settings.temperature, [settings.seed]
        )


def spread(requests: Sequence[LabelRequest], n: int, seed: int) -> list[LabelRequest]:
    """The shortest, the longest, and one at random of each equal part between, in order of length."""
    order = sorted(range(len(requests)), key=lambda k: (sum(map(len, requests[k].prompts)), k))
    if n >= len(order):
        return [requests[k] for k in order]
    if n == 1:
        return [requests[order[len(order) // 2]]]
    generator = np.random.default_rng(seed)
    parts = np.array_split(np.array(order[1:-1]), max(n - 2, 1))[: n - 2]
    inner = [int(part[generator.integers(len(part))]) for part in parts]
    return [requests[k] for k in (order[0], *inner, order[-1])]
