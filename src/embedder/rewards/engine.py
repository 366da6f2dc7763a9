"""Label candidates by what they do for the LLM: sample competitors, score all outputs, read rewards off the store."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedder.errors import ConfigError, DataError
from embedder.llm.address import output_address, sample_address
from embedder.llm.sample_store import SampleStore
from embedder.llm.sampled_outputs import DRAWS, Draw, first_seed, sample_competitors
from embedder.llm.score_store import ScoreStore
from embedder.llm.waves import run_in_waves
from embedder.metrics.options import wrong_options
from embedder.rewards.tables import Reward, ScoreTable, rewards_of
from embedder.types import LanguageModel, OutputScore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """One query to label.

    Args:
        prompt: Without a candidate.
        candidate_prompts: With each candidate.
        answers: The gold answers as outputs: they begin with what white space parts them from the prompt.
        sample_prompts: What competitors are sampled after; by default `prompt` alone.
        options: What there is to choose from. Where there are some, the wrong ones are the competitors and nothing is
            sampled.
        lead: White space that parts a sampled output from the prompt.
    """

    prompt: str
    candidate_prompts: tuple[str, ...]
    answers: tuple[str, ...]
    sample_prompts: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    lead: str = " "

    def __post_init__(self) -> None:
        if not any(answer.strip() for answer in self.answers):
            raise ValueError(f"a query without an answer cannot be labelled: {self.prompt!r}")


@dataclass(frozen=True, slots=True)
class _Outputs:
    """The outputs that are scored after every prompt of one request."""

    answers: tuple[str, ...]
    competitors: tuple[str, ...]


class RewardEngine:
    """Fills the stores with the LLM's numbers, and makes rewards from the stored numbers alone.

    Args:
        language_model: The LLM that the retriever is trained for.
        scores: Where log-likelihoods are kept.
        samples: Where sampled outputs are kept.
        n_outputs: Competitors sampled for each query; 0 for none.
        temperature: Of the sampled competitors.
        seed: Of the sampled competitors.
        max_new_tokens: Longest sampled competitor.
        max_answers: Gold answers scored for each query, the first ones; further ones are still never competitors.
        save_seconds: How much labelling time a kill may lose, roughly.
    """

    def __init__(
        self,
        language_model: LanguageModel,
        scores: ScoreStore,
        samples: SampleStore,
        n_outputs: int = 10,
        temperature: float = 1.0,
        seed: int = 0,
        max_new_tokens: int = 16,
        max_answers: int = 3,
        save_seconds: float = 10.0,
    ) -> None:
        for setting, value, least in (
            ("n_outputs", n_outputs, 0),
            ("max_new_tokens", max_new_tokens, 1),
            ("max_answers", max_answers, 1),
        ):
            if value < least:
                raise ConfigError(f"prepare.rewards.{setting}", f"{least} or more", value)
        if not temperature > 0:
            raise ConfigError("prepare.rewards.temperature", "a number above 0", temperature)
        self._language_model = language_model
        self._scores = scores
        self._samples = samples
        self._n_outputs = n_outputs
        self._temperature = temperature
        self._seed = seed
        self._max_new_tokens = max_new_tokens
        self._max_answers = max_answers
        self._save_seconds = save_seconds

    def label(self, requests: Sequence[LabelRequest]) -> None:
        """Sample and score whatever the stores lack; can be stopped at any time and run again to continue."""
        started = time.perf_counter()
        self._scores.refresh()  # what other processes have added since
        self._samples.refresh()
        outputs = self._choose_outputs(requests, self._sample_missing)
        missing = self._missing(requests, outputs)
        n_pairs = sum(len(some) for _, some in missing)

        def score(wave: Sequence[tuple[str, list[str]]]) -> None:
            scored = self._language_model.score([prompt for prompt, _ in wave], [some for _, some in wave])
            for (prompt, some), scores in zip(wave, scored, strict=True):
                self._scores.add(self._addresses(prompt, some), scores)

        run_in_waves(missing, score, self._scores.flush, "scoring", self._save_seconds, self._tokens_run)
        logger.info(
            "labelled %d queries in %.1f s: %d prompts with %d outputs scored, the rest was in the store",
            len(requests),
            time.perf_counter() - started,
            len(missing),
            n_pairs,
        )

    def tables(self, requests: Sequence[LabelRequest]) -> list[ScoreTable]:
        """The scores of each request, from the stores alone; any reward is computed from them.

        Raises:
            DataError: Something was never labelled.
        """
        all_outputs = self._choose_outputs(requests, self._read_samples)
        return [self._table(request, outputs) for request, outputs in zip(requests, all_outputs, strict=True)]

    def rewards(self, requests: Sequence[LabelRequest], reward: Reward) -> list[tuple[float, ...]]:
        """Rewards of the candidates of each request, from the stores alone.

        Raises:
            DataError: Something was never labelled.
        """
        return rewards_of(self.tables(requests), reward)

    def count_scored(self, requests: Sequence[LabelRequest]) -> tuple[int, int]:
        """Prompts of the requests whose answers are scored in the store, and all of them; the LLM is not asked."""
        scored = total = 0
        for request in requests:
            answers = self._distinct_answers(request)
            for prompt in (request.prompt, *request.candidate_prompts):
                total += 1
                scored += None not in self._scores.get(self._addresses(prompt, answers))
        return scored, total

    def count_left(self, requests: Sequence[LabelRequest]) -> list[int]:
        """Prompts of each request that labelling would still score; the LLM is not asked.

        All of them, where competitors are still to be sampled.
        """
        left = []
        for request in requests:
            prompts = (request.prompt, *request.candidate_prompts)
            asked = [] if request.options or not self._n_outputs else list(request.sample_prompts or (request.prompt,))
            first = self._samples.get(self._sample_addresses(asked, [first_seed(self._seed, one) for one in asked]))
            try:
                outputs = None if None in first else self._choose_outputs([request], self._read_samples)[0]
            except DataError:  # killed between two rounds of sampling
                outputs = None
            if outputs is None:
                left.append(len(prompts))
                continue
            texts = [*outputs.answers, *outputs.competitors]
            left.append(sum(None in self._scores.get(self._addresses(prompt, texts)) for prompt in prompts))
        return left

    def verify(self, requests: Sequence[LabelRequest], n: int, tolerance: float) -> float:
        """Score the outputs of `n` prompts, drawn with the seed, anew and compare them with the store.

        Returns:
            The largest absolute difference of a summed log-likelihood, in nats.

        Raises:
            DataError: It is larger than the tolerance, or something was never labelled.
        """
        all_outputs = self._choose_outputs(requests, self._read_samples)
        prompts = [
            (prompt, outputs)
            for request, outputs in zip(requests, all_outputs, strict=True)
            for prompt in (request.prompt, *request.candidate_prompts)
        ]
        drawn = np.random.default_rng(self._seed).permutation(len(prompts))[:n]
        chosen = [prompts[k] for k in drawn]
        live = self._language_model.score(
            [prompt for prompt, _ in chosen], [[*outputs.answers, *outputs.competitors] for _, outputs in chosen]
        )
        worst = 0.0
        for (prompt, outputs), scores in zip(chosen, live, strict=True):
            for ours, kept in zip(scores, self._stored(prompt, outputs), strict=True):
                worst = max(worst, abs(ours.sum_logprob - kept.sum_logprob))
        logger.info("%d stored prompts scored again: largest difference %.2g nats", len(chosen), worst)
        if worst > tolerance:
            message = (
                f"stored log-likelihoods are off by {worst:.3g} nats, more than {tolerance:.3g}; was the LLM changed?"
            )
            raise DataError(self._scores.directory, None, message)
        return worst

    def describe(self) -> str:
        """What the stores hold, in words, a line each."""
        return f"{self._scores.describe()}\n{self._samples.describe()}"

    def _choose_outputs(self, requests: Sequence[LabelRequest], draw: Draw) -> list[_Outputs]:
        sampled = [request for request in requests if not request.options]
        competitors = iter(
            sample_competitors(
                draw,
                [request.sample_prompts or (request.prompt,) for request in sampled],
                [request.answers for request in sampled],
                self._n_outputs,
                self._seed,
            )
        )
        outputs = [
            _Outputs(
                self._distinct_answers(request),
                wrong_options(request.options, request.answers)
                if request.options
                else tuple(request.lead + output for output in next(competitors)),
            )
            for request in requests
        ]
        if self._n_outputs and (alone := sum(not some.competitors for some in outputs)):
            logger.warning("%d of %d queries have no competitor: every rank reward is 0", alone, len(requests))
        return outputs

    def _distinct_answers(self, request: LabelRequest) -> tuple[str, ...]:
        distinct = dict.fromkeys(answer for answer in request.answers if answer.strip())
        return tuple(distinct)[: self._max_answers]

    def _sample_missing(self, prompts: list[str], seeds: list[int]) -> list[list[str]]:
        addresses = self._sample_addresses(prompts, seeds)
        stored = self._samples.get(addresses)
        missing = [k for k, outputs in enumerate(stored) if outputs is None]

        def sample(wave: Sequence[int]) -> None:
            outputs = self._language_model.sample(
                [prompts[k] for k in wave], DRAWS, self._max_new_tokens, self._temperature, [seeds[k] for k in wave]
            )
            self._samples.add([addresses[k] for k in wave], outputs)

        run_in_waves(missing, sample, self._samples.flush, "sampling competitors", self._save_seconds, self._tokens_run)
        return self._read_samples(prompts, seeds)

    def _read_samples(self, prompts: list[str], seeds: list[int]) -> list[list[str]]:
        stored = self._samples.get(self._sample_addresses(prompts, seeds))
        found = [outputs for outputs in stored if outputs is not None]
        if len(found) < len(stored):
            raise self._not_labelled(self._samples, f"{len(stored) - len(found)} of {len(stored)} sampled prompts")
        return found

    def _missing(
        self, requests: Sequence[LabelRequest], all_outputs: Sequence[_Outputs]
    ) -> list[tuple[str, list[str]]]:
        """The outputs that the store lacks, by prompt; a prompt that several requests share comes once."""
        missing: dict[str, dict[str, None]] = {}
        for request, outputs in zip(requests, all_outputs, strict=True):
            wanted = (*outputs.answers, *outputs.competitors)
            for prompt in (request.prompt, *request.candidate_prompts):
                for output, score in zip(wanted, self._scores.get(self._addresses(prompt, wanted)), strict=True):
                    if score is None:
                        missing.setdefault(prompt, {})[output] = None
        return [(prompt, list(outputs)) for prompt, outputs in missing.items()]

    def _tokens_run(self) -> int:
        return self._language_model.tokens_run

    def _table(self, request: LabelRequest, outputs: _Outputs) -> ScoreTable:
        rows = [self._stored(prompt, outputs) for prompt in (request.prompt, *request.candidate_prompts)]
        return ScoreTable(
            np.array([[score.sum_logprob for score in row] for row in rows], dtype=np.float64),
            np.array([[score.n_tokens for score in row] for row in rows], dtype=np.int32),
            len(outputs.answers),
        )

    def _stored(self, prompt: str, outputs: _Outputs) -> list[OutputScore]:
        wanted = (*outputs.answers, *outputs.competitors)
        scores = [score for score in self._scores.get(self._addresses(prompt, wanted)) if score is not None]
        if len(scores) < len(wanted):
            what = f"{len(wanted) - len(scores)} of {len(wanted)} outputs after the prompt {prompt[-60:]!r}"
            raise self._not_labelled(self._scores, what)
        return scores

    def _addresses(self, prompt: str, outputs: Sequence[str]) -> list[bytes]:
        fingerprint = self._language_model.fingerprint
        return [output_address(fingerprint, prompt, output) for output in outputs]

    def _sample_addresses(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[bytes]:
        fingerprint = self._language_model.fingerprint
        return [
            sample_address(fingerprint, prompt, DRAWS, self._temperature, seed, self._max_new_tokens)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    @staticmethod
    def _not_labelled(store: ScoreStore | SampleStore, what: str) -> DataError:
        message = f"{what} are not in the store: label these requests first, with the same LLM and settings"
        return DataError(store.directory, None, message)
