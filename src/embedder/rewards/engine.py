"""Label candidates by what they do for the LLM: sample competitors, score all outputs, read rewards off the store."""

import logging
from collections.abc import Sequence

import numpy as np

from embedder.errors import DataError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.rewards.requests import LabelRequest, Outputs, choose_outputs, prompts_with_outputs
from embedder.rewards.sampled_outputs import OutputSettings, warn_of_few
from embedder.rewards.tables import ScoreTable

logger = logging.getLogger(__name__)


class RewardEngine:
    """Has the LLM score what rewards need, and makes rewards from the stored numbers alone.

    Args:
        language_model: The LLM that the retriever is trained for, with the stores of what it said.
        settings: Which outputs are scored.
    """

    def __init__(self, language_model: CachedLanguageModel, settings: OutputSettings) -> None:
        self._language_model = language_model
        self._settings = settings

    def label(self, requests: Sequence[LabelRequest]) -> None:
        """Sample and score whatever the stores lack; can be stopped at any time and run again to continue."""
        outputs = choose_outputs(requests, self._settings, self._language_model.sample)
        self._language_model.score_missing(*prompts_with_outputs(requests, outputs))

    def tables(self, requests: Sequence[LabelRequest]) -> list[ScoreTable]:
        """The scores of each request, from the stores alone; any reward is computed from them.

        Raises:
            DataError: Something was never labelled.
        """
        outputs = self._stored_outputs(requests)
        return [self._table(request, own) for request, own in zip(requests, outputs, strict=True)]

    def warn_about(self, requests: Sequence[LabelRequest]) -> None:
        """Count in the log the labelled requests that have few competitors, or none."""
        outputs, wanted = self._stored_outputs(requests), self._settings.n_outputs
        sampled = [own.competitors for request, own in zip(requests, outputs, strict=True) if not request.options]
        warn_of_few(sampled, wanted)
        if wanted and (alone := sum(not own.competitors for own in outputs)):
            logger.warning("%d of %d queries have no competitor: every rank reward is 0", alone, len(requests))

    def count_left(self, requests: Sequence[LabelRequest]) -> list[int]:
        """Prompts of each request that labelling would still score; found without the LLM.

        All of them, where competitors are still to be sampled.
        """
        return [self._count_left(request) for request in requests]

    def verify(self, requests: Sequence[LabelRequest], n: int, tolerance: float) -> float:
        """Score the outputs of `n` prompts, drawn with the seed, again and compare them with the store.

        Returns:
            The largest absolute difference of a summed log-likelihood, in nats.

        Raises:
            DataError: It is larger than the tolerance, or something was never labelled.
        """
        prompts, outputs = prompts_with_outputs(requests, self._stored_outputs(requests))
        drawn = np.random.default_rng(self._settings.seed).permutation(len(prompts))[:n]
        prompts, outputs = [prompts[k] for k in drawn], [outputs[k] for k in drawn]
        worst = 0.0
        fresh = self._language_model.score_again(prompts, outputs)
        for prompt, texts, scores in zip(prompts, outputs, fresh, strict=True):
            for score, stored in zip(scores, self._language_model.stored_scores(prompt, texts), strict=True):
                worst = max(worst, abs(score.sum_logprob - stored.sum_logprob))
        logger.info("%d stored prompts scored again: largest difference %.2g nats", len(prompts), worst)
        if worst > tolerance:
            message = (
                f"stored log-likelihoods are off by {worst:.3g} nats, more than {tolerance:.3g}; was the LLM changed?"
            )
            raise DataError(self._language_model.directory / "scores", None, message)
        return worst

    def _stored_outputs(self, requests: Sequence[LabelRequest]) -> list[Outputs]:
        return choose_outputs(requests, self._settings, self._language_model.stored_samples)

    def _count_left(self, request: LabelRequest) -> int:
        try:
            (outputs,) = self._stored_outputs([request])
        except DataError:  # not sampled yet, or not in full
            return len(request.prompts)
        return sum(not self._language_model.is_scored(prompt, outputs.texts) for prompt in request.prompts)

    def _table(self, request: LabelRequest, outputs: Outputs) -> ScoreTable:
        rows = [self._language_model.stored_scores(prompt, outputs.texts) for prompt in request.prompts]
        return ScoreTable(
            np.array([[score.sum_logprob for score in row] for row in rows], dtype=np.float64),
            np.array([[score.n_tokens for score in row] for row in rows], dtype=np.int32),
            len(outputs.answers),
        )
