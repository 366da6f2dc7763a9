"""Write questions about the passages of a corpus: draft, check, keep what a passage helps the LLM with."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.data.corpus import Corpus, join_title
from embedder.data.jsonl import JsonLines
from embedder.data.prompts import first_words
from embedder.index.bm25_index import BM25Index
from embedder.llm.address import sample_address
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.questions.checks import NO_FORM, REASONS, fault
from embedder.questions.draft import Draft, Passage, parsed, render
from embedder.questions.near import DistinctQuestions
from embedder.questions.passages import spread
from embedder.questions.reader import Reader
from embedder.questions.settings import QuestionSettings

logger = logging.getLogger(__name__)

VAGUE = "a word search does not lead to the passage"
DISAGREES = "the LLM answers otherwise when it is asked with the passage"
UNHELPED = "the passage does not help the LLM to the answer"
ALIKE = "another question asks nearly the same"
UNNEEDED = "there were enough"
DROPPED = (*REASONS, VAGUE, DISAGREES, UNHELPED, ALIKE, UNNEEDED)
"""Why a draft is not kept, in the order in which it is looked at."""
_SMALLEST_ROUND = 8  # passages
_SPARE = 1.2  # times as many as seem needed, so that no tiny round follows


@dataclass(frozen=True)
class Question:
    """A question that was kept."""

    draft: Draft
    reward: float

    def row(self) -> dict[str, Any]:
        """As a line of a question file, with where it comes from."""
        passage = self.draft.passage
        return {
            "question": self.draft.question,
            "answers": [self.draft.answer],
            "pos": [passage.key_id],
            **({"file": passage.file} if passage.file else {}),
            "reward": self.reward,
            "draft": self.draft.address,
        }


class QuestionWriter:
    """Has the LLM write questions and keeps the good ones.

    Args:
        language_model: With its stores: nothing is asked twice, and a killed run resumes.
        settings: How many, and which are kept.
        reader: Asks the LLM its own questions.
        index: Word search, over no texts yet.
    """

    def __init__(
        self, language_model: CachedLanguageModel, settings: QuestionSettings, reader: Reader, index: BM25Index
    ) -> None:
        self.language_model, self.settings = language_model, settings
        self._reader, self._index = reader, index
        self._kept: list[Question] = []
        self._distinct = DistinctQuestions()
        self.counts: Counter[str] = Counter()

    def write(self, corpus: Path) -> list[Question]:
        """Questions about the passages of a corpus, in the order in which they were kept.

        Passages are asked about in rounds: as many as the number of questions that each gave so far says are needed.
        Which there are depends on settings, corpus and LLM alone.
        """
        rows = JsonLines(corpus)
        order, short = spread(rows, self.settings.seed, self.settings.shortest)
        wanted = self.settings.wanted(len(order))
        about = f"up to {len(order)} passages ({short} more have fewer than {self.settings.shortest} words)"
        logger.info("%d questions are wanted, from %d drafts about each of %s", wanted, self.settings.drafts, about)
        if self.settings.found_within is not None:
            self._index.build(Corpus(corpus).texts())
        done = 0
        while len(self._kept) < wanted and done < len(order):
            each = max(len(self._kept) / done, 0.1) if done else 1.0  # questions that a passage gave
            size = max(_SMALLEST_ROUND, round(_SPARE * (wanted - len(self._kept)) / each))
            chosen = order[done : done + size]
            self._round([passage_of(rows, position, self.settings.max_words) for position in chosen], wanted)
            done += len(chosen)
            so_far = (len(self._kept), wanted, done, len(order), self.told())
            logger.info("%d of %d questions, after %d of %d passages (%s)", *so_far)
        return self._kept

    def told(self) -> str:
        """What became of the drafts so far, in words."""
        return ", ".join(f"{name}: {self.counts[name]}" for name in ("drafts", *DROPPED) if self.counts[name])

    def _round(self, passages: Sequence[Passage], wanted: int) -> None:
        drafts = self._specific(list(self._drafts(passages)))
        for draft, read in zip(drafts, self._reader.read(drafts), strict=True):
            if len(self._kept) == wanted:
                self.counts[UNNEEDED] += 1
            elif not read.agrees:
                self.counts[DISAGREES] += 1
            elif not read.reward > self.settings.min_reward:
                self.counts[UNHELPED] += 1
            elif not self._distinct.add(draft.question):
                self.counts[ALIKE] += 1
            else:
                self._kept.append(Question(draft, read.reward))

    def _drafts(self, passages: Sequence[Passage]) -> Iterator[Draft]:
        """Those with nothing wrong in their text."""
        own = self.settings
        prompts = [render(passage.text) for passage in passages]
        how = (own.drafts, own.max_new_tokens, own.temperature)
        sampled = self.language_model.sample(prompts, *how, [own.seed] * len(prompts))
        for passage, prompt, texts in zip(passages, prompts, sampled, strict=True):
            fingerprint = self.language_model.fingerprint
            address = sample_address(fingerprint, prompt, own.drafts, own.temperature, own.seed, own.max_new_tokens)
            for text in texts:
                self.counts["drafts"] += 1
                read = parsed(text)
                wrong = NO_FORM if read is None else fault(*read, passage.text)
                if read is None or wrong is not None:
                    self.counts[wrong or NO_FORM] += 1
                else:
                    yield Draft(*read, passage, address.hex())

    def _specific(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Those that name what they are about: a question about `the film` could be about any.

        Source: Dai et al., ICLR 2023 (Promptagator), round-trip filtering, by a word search in place of an encoder.
        """
        if self.settings.found_within is None or not drafts:
            return list(drafts)
        _, found = self._index.search([draft.question for draft in drafts], self.settings.found_within)
        kept = [draft for draft, hits in zip(drafts, found.tolist(), strict=True) if draft.passage.position in hits]
        self.counts[VAGUE] += len(drafts) - len(kept)
        return kept


def passage_of(rows: JsonLines, position: int, max_words: int) -> Passage:
    """A row of a corpus as the LLM reads it: on one line, and cut to so many words."""
    row = rows.row(position)
    text = join_title(row.text("title", default=""), row.text("text"))
    return Passage(position, row.text("id"), first_words(text, max_words), row.text("file", default="") or None)
