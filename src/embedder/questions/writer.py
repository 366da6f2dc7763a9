"""Write questions about the passages of a corpus: draft, check, keep what a passage helps the LLM with."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from embedder.data.corpus import document_text
from embedder.data.jsonl import JsonLines
from embedder.data.prompts import Prompt, with_examples
from embedder.llm.address import sample_address
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.questions.checks import NO_FORM, fault
from embedder.questions.draft import EXAMPLES, parsed, render, shown
from embedder.questions.near import DistinctQuestions
from embedder.questions.passages import spread
from embedder.questions.settings import QuestionSettings
from embedder.rewards.engine import RewardEngine
from embedder.rewards.requests import LabelRequest, lead_of
from embedder.rewards.reward import needs_competitors
from embedder.rewards.sampled_outputs import OutputSettings

logger = logging.getLogger(__name__)

ALIKE = "another question asks nearly the same"
UNHELPED = "the passage does not help the LLM to the answer"
UNNEEDED = "there were enough"
_SMALLEST_ROUND = 8  # passages


@dataclass(frozen=True)
class Question:
    """A question that was kept, with where it comes from."""

    question: str
    answer: str
    key_id: str
    file: str | None
    reward: float
    draft: str
    """Address of the sampled text in the store, in hexadecimal."""

    def row(self) -> dict[str, Any]:
        """As a line of a question file."""
        about = {"file": self.file} if self.file else {}
        return {
            "question": self.question,
            "answers": [self.answer],
            "pos": [self.key_id],
            **about,
            "reward": self.reward,
            "draft": self.draft,
        }


@dataclass(frozen=True)
class _Passage:
    key_id: str
    text: str
    file: str | None


@dataclass
class QuestionWriter:
    """Has the LLM write questions and keeps the good ones.

    Args:
        language_model: With its stores: nothing is asked twice, and a killed run resumes.
        settings: How many, and which are kept.
        prompt: How the task shows a question with its passage, which is how the reward is measured.
        outputs: Competitors, for rewards that rank.
    """

    language_model: CachedLanguageModel
    settings: QuestionSettings
    prompt: Prompt
    outputs: OutputSettings = field(default_factory=OutputSettings)

    def __post_init__(self) -> None:
        self.prompt = with_examples(self.prompt, EXAMPLES)
        n_outputs = self.outputs.n_outputs if needs_competitors(self.settings.reward) else 0
        self._engine = RewardEngine(self.language_model, replace(self.outputs, n_outputs=n_outputs))
        self._kept: list[Question] = []
        self._distinct = DistinctQuestions()
        self.counts: Counter[str] = Counter()

    def write(self, corpus: Path) -> list[Question]:
        """Questions about the passages of a corpus, in the order in which they were kept.

        Passages are asked about in rounds: as many as the share of drafts that was kept so far says are needed. Which
        there are depends on settings, corpus and LLM alone.
        """
        rows = JsonLines(corpus)
        order, short = spread(rows, self.settings.seed, self.settings.shortest)
        wanted = self.settings.wanted(len(order))
        about = f"{len(order)} passages ({short} more have fewer than {self.settings.shortest} words)"
        logger.info("%d questions are wanted, from %d drafts about each of %s", wanted, self.settings.drafts, about)
        done = 0
        while len(self._kept) < wanted and done < len(order):
            each = max(len(self._kept) / done, 0.1) if done else 1.0  # kept questions of a passage
            chosen = order[done : done + max(_SMALLEST_ROUND, round((wanted - len(self._kept)) / each))]
            self._round([self._passage(rows, position) for position in chosen], wanted)
            done += len(chosen)
            logger.info("%d of %d questions, after %d of %d passages", len(self._kept), wanted, done, len(order))
        return self._kept

    def _round(self, passages: Sequence[_Passage], wanted: int) -> None:
        own = self.settings
        prompts = [render(passage.text) for passage in passages]
        sampling = (own.drafts, own.max_new_tokens, own.temperature)
        drafts = self.language_model.sample(prompts, *sampling, [own.seed] * len(prompts))
        checked_drafts = []
        for passage, prompt, texts in zip(passages, prompts, drafts, strict=True):
            fingerprint = self.language_model.fingerprint
            address = sample_address(fingerprint, prompt, own.drafts, own.temperature, own.seed, own.max_new_tokens)
            for text in texts:
                self.counts["drafts"] += 1
                read = parsed(text)
                wrong = NO_FORM if read is None else fault(*read, passage.text)
                if read is None or wrong is not None:
                    self.counts[wrong or NO_FORM] += 1
                else:
                    checked_drafts.append((passage, *read, address.hex()))
        rewards = self._rewards([(question, answer, passage.text) for passage, question, answer, _ in checked_drafts])
        for (passage, question, answer, draft), reward in zip(checked_drafts, rewards, strict=True):
            if len(self._kept) == wanted:
                self.counts[UNNEEDED] += 1
            elif not reward > own.min_reward:
                self.counts[UNHELPED] += 1
            elif not self._distinct.add(question):
                self.counts[ALIKE] += 1
            else:
                self._kept.append(Question(question, answer, passage.key_id, passage.file, reward, draft))

    def _passage(self, rows: JsonLines, position: int) -> _Passage:
        row = rows.row(position)
        text = document_text(row.text("title", default=""), row.text("text"))
        return _Passage(row.text("id"), shown(text, self.settings.max_words), row.text("file", default="") or None)

    def _rewards(self, drafts: Sequence[tuple[str, str, str]]) -> list[float]:
        """Of each question's own passage, against no passage."""
        lead = lead_of(self.prompt.output)
        requests = [
            LabelRequest(
                prompt=self.prompt.render(question),
                candidate_prompts=(self.prompt.render(question, [passage]),),
                answers=(self.prompt.output(answer),),
                lead=lead,
            )
            for question, answer, passage in drafts
        ]
        if not requests:
            return []
        self._engine.label(requests)
        return [reward for (reward,) in self._engine.rewards(requests, self.settings.reward)]
