"""Label candidates by what the LLM writes: answers and judgments lie in its store, and rewards are made from them."""

import logging
from collections.abc import Callable, Sequence

from embedder.errors import DataError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.rewards.asking import Ask, Judged, WrittenReward, converse
from embedder.rewards.requests import LabelRequest, Sample
from embedder.rewards.tables import ScoreTable

logger = logging.getLogger(__name__)


class WrittenEngine:
    """What `RewardEngine` is for log-likelihoods, for a reward that is computed from texts.

    Args:
        language_model: The LLM that the retriever is trained for, with the stores of what it said.
        reward: Says what it is asked.
    """

    def __init__(self, language_model: CachedLanguageModel, reward: WrittenReward) -> None:
        self._language_model = language_model
        self._reward = reward

    def label(self, requests: Sequence[LabelRequest]) -> None:
        """Have the LLM write whatever the stores lack; can be stopped at any time and run again to continue."""
        talks = [self._reward.talk(request) for request in requests]
        converse(talks, lambda asks: write(asks, self._language_model.generate, self._language_model.sample))

    def tables(self, requests: Sequence[LabelRequest]) -> list[ScoreTable]:
        """The grades of each request, from the stores alone.

        Raises:
            DataError: Something was never labelled.
        """
        return [own.table for own in self._stored(requests)]

    def warn_about(self, requests: Sequence[LabelRequest]) -> None:
        """Count in the log the judgments of labelled requests that are malformed."""
        judged = self._stored(requests)
        if malformed := sum(own.malformed for own in judged):
            queries = sum(own.malformed > 0 for own in judged)
            message = "%d judgments of %d queries came in another form than asked for, and count as none"
            logger.warning(message, malformed, queries)

    def _stored(self, requests: Sequence[LabelRequest]) -> list[Judged]:
        stored = self._language_model
        talks = [self._reward.talk(request) for request in requests]
        return converse(talks, lambda asks: write(asks, stored.stored_texts, stored.stored_samples))

    def count_left(self, requests: Sequence[LabelRequest]) -> list[int]:
        """Prompts of each request that are not labelled yet: all of them, where any answer or judgment is missing."""
        return [0 if self._is_labelled(request) else len(request.prompts) for request in requests]

    def _is_labelled(self, request: LabelRequest) -> bool:
        try:
            self.tables([request])
        except DataError:
            return False
        return True


def write(asks: Sequence[Ask], generate: Callable[[Sequence[str], int], list[str]], sample: Sample) -> list[list[str]]:
    """The answers to each ask, from an LLM or from its store; asks of one kind go together, in their order."""
    kinds: dict[tuple[int, int, float], list[int]] = {}
    for position, ask in enumerate(asks):
        kinds.setdefault((ask.max_new_tokens, ask.n, ask.temperature), []).append(position)
    answers: dict[int, list[str]] = {}
    for (max_new_tokens, n, temperature), positions in kinds.items():
        prompts = [asks[position].prompt for position in positions]
        if temperature:
            seeds = [asks[position].seed for position in positions]
            texts = sample(prompts, n, max_new_tokens, temperature, seeds)
        else:
            texts = [[text] for text in generate(prompts, max_new_tokens)]
        answers.update(zip(positions, texts, strict=True))
    return [answers[position] for position in range(len(asks))]
