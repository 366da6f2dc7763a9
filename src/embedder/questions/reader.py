"""The LLM reads its own question: what it answers with the passage, and what the passage does for its answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from embedder.data.prompts import Prompt, with_examples
from embedder.llm.abilities import writes_only
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.metrics.text import f1
from embedder.questions.draft import EXAMPLES, Draft
from embedder.rewards.asking import is_written
from embedder.rewards.engine import RewardEngine
from embedder.rewards.requests import LabelRequest, lead_of
from embedder.rewards.reward import needs_competitors
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.rewards.tables import Reward, rewards_of
from embedder.rewards.written_engine import WrittenEngine

_SAME_ANSWER = 0.5
"""F1 from which two answers are taken for one: `Tolvik` and `Maren Tolvik`."""
_ANSWER_TOKENS = 16


@dataclass(frozen=True)
class Read:
    """What came of reading.

    Args:
        agrees: Whether the LLM, asked with the passage, gives the answer of the draft again.
        reward: Of the passage, against none, for the answer of the draft.
    """

    agrees: bool
    reward: float


class Reader:
    """Asks the LLM its own questions, as its task asks questions.

    Args:
        language_model: With its stores.
        prompt: Of the task; its few-shot examples are those of the drafts.
        reward: What the passage does for the answer.
        outputs: Competitors, for a reward that ranks.
    """

    def __init__(
        self, language_model: CachedLanguageModel, prompt: Prompt, reward: Reward, outputs: OutputSettings
    ) -> None:
        self._language_model, self._reward = language_model, reward
        self._prompt = with_examples(prompt, EXAMPLES)
        self._engine: RewardEngine | WrittenEngine
        if is_written(reward):
            self._engine = WrittenEngine(language_model, reward)
        else:
            n_outputs = outputs.n_outputs if needs_competitors(reward) else 0
            self._engine = RewardEngine(language_model, replace(outputs, n_outputs=n_outputs))

    def read(self, drafts: Sequence[Draft]) -> list[Read]:
        """Each question with its own passage, and without."""
        if not drafts:
            return []
        requests = [self._request(draft) for draft in drafts]
        prompts = [request.candidate_prompts[0] for request in requests]
        if writes_only(self._language_model):
            texts = self._language_model.generate(prompts, _ANSWER_TOKENS)
        else:  # both at once: the LLM reads a passage once for its answer and for the likelihood of the draft's
            texts, _ = self._language_model.answer(prompts, [request.answers for request in requests], _ANSWER_TOKENS)
        self._engine.label(requests)
        self._engine.warn_about(requests)
        rewards = rewards_of(self._engine.tables(requests), self._reward)
        return [
            Read(f1(text, [draft.answer]) >= _SAME_ANSWER, reward)
            for draft, text, (reward,) in zip(drafts, texts, rewards, strict=True)
        ]

    def _request(self, draft: Draft) -> LabelRequest:
        return LabelRequest(
            prompt=self._prompt.render(draft.question),
            candidate_prompts=(self._prompt.render(draft.question, [draft.passage.text]),),
            answers=(self._prompt.output(draft.answer),),
            lead=lead_of(self._prompt.output),
        )
