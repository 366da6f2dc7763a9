"""What a tuning will do and cost, said without the LLM: `dry_run=true`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from embedder.app.tune_steps import StepRule
from embedder.data.examples import FewShotExample
from embedder.data.jsonl import JsonLines
from embedder.data.prompts import with_examples
from embedder.data.sources import Dataset
from embedder.llm.abilities import estimates, written_to_score
from embedder.llm.server.language_model import ServerLanguageModel
from embedder.llm.usage import CHARACTERS_A_TOKEN
from embedder.preparation.preparation import Preparation
from embedder.questions.draft import EXAMPLES, render
from embedder.questions.passages import spread
from embedder.questions.settings import QuestionSettings
from embedder.questions.writer import passage_of
from embedder.rewards.asking import is_written
from embedder.rewards.sampled_outputs import DRAWS
from embedder.rewards.tables import Reward
from embedder.shown import quantity
from embedder.training.task import Task

SAMPLE = 100
"""Passages whose prompts are measured."""
_QUESTIONS_A_PASSAGE = 0.3  # that are kept of three drafts, by the bundled LLM of 135 M parameters; others give more
_READ_SHARE = 0.3  # of its drafts that are in order and that it reads again
_DRAFT, _ANSWER = 100, 24  # characters that the LLM writes


@dataclass(frozen=True)
class Planned:
    """One stage.

    Args:
        name: Of the stage.
        text: What it does, or where it resumes.
        read: Characters that the LLM reads, at most.
        written: Characters that it writes.
    """

    name: str
    text: str
    read: float = 0.0
    written: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What is known before a tuning starts.

    Args:
        task: What is tuned for.
        dataset: The documents, with questions if there are any.
        preparation: Of the labels.
        questions: What the LLM writes where there are none.
        steps: How long training is; None for `max_steps`.
        batch_size: Questions of a step.
        max_steps: Of the trainer.
        rows: Which retrievers the LLM answers with.
        test_share: Of the questions.
        output_dir: Of the run.
    """

    task: Task
    dataset: Dataset
    preparation: Preparation
    questions: QuestionSettings
    steps: StepRule | None
    batch_size: int
    max_steps: int
    rows: Sequence[str]
    test_share: float
    output_dir: Path

    def stages(self) -> Iterator[Planned]:
        """Each stage, in order."""
        rows = JsonLines(self.dataset.file("corpus"))
        order, short = spread(rows, self.questions.seed, self.questions.shortest)
        texts = [passage_of(rows, one, self.questions.max_words).text for one in order[:SAMPLE]] or [""]
        words = fmean(len(text.split()) for text in texts)
        documents = {row["file"] for row in rows if row.get("file")}
        in_files = f" of {quantity(len(documents), 'file')}" if documents else ""
        yield Planned("documents", f"{quantity(len(rows), 'passage')}{in_files}, of about {words:.0f} words")
        if self.dataset.train is None:
            n = self.questions.wanted(len(order))
            yield self._writing(n, order, short, texts)
            n_test = min(n, max(1, round(self.test_share * n)))  # none of no passage that is long enough
            n_train = n - n_test
        else:
            n_train = JsonLines(self.dataset.train).n_lines
            n_test = JsonLines(self.dataset.file("test")).n_lines
            yield Planned("questions", f"{n_train:,} to train and validate with, {n_test:,} held out")
        yield self._labels(n_train, texts)
        yield self._training(n_train)
        yield self._answers(n_test, texts)

    def _writing(self, wanted: int, order: Sequence[int], short: int, texts: Sequence[str]) -> Planned:
        passages = min(len(order), round(wanted / _QUESTIONS_A_PASSAGE))
        drafts = passages * self.questions.drafts
        language_model = self.preparation.rewards.language_model
        scores_apart = isinstance(language_model, ServerLanguageModel) or estimates(language_model)
        own = self.questions.reward
        # A server is sent the prompt with the passage twice: for its own answer, and to score that of the draft.
        times = 2 if scores_apart and not is_written(own) else 1
        scored = (1 if is_written(own) else 2) * self._written_to_score(own)  # a reward from texts takes that answer
        read_again = _READ_SHARE * drafts * (self._prompt(texts, 0) + times * self._prompt(texts, 1))
        left_out = f"; {quantity(short, 'passage is', 'passages are')} too short" if short else ""
        if drafts < self.questions.least:
            left_out += f"; fewer than questions.least={self.questions.least}, so that a run will end here"
        return Planned(
            "questions",
            f"{wanted:,} wanted: {self.questions.drafts} drafts about each of up to {passages:,} passages, of which a "
            f"part is kept{left_out}",
            passages * fmean(len(render(text)) for text in texts) + read_again,
            drafts * _DRAFT + _READ_SHARE * drafts * (_ANSWER + scored),
        )

    def _labels(self, n_train: int, texts: Sequence[str]) -> Planned:
        prepared = None if self.dataset.train is None else self.preparation.prepared(self.task, self.dataset)
        if prepared is not None and prepared.is_complete:
            return Planned("labels", f"already there ({prepared.directory})")
        candidates, rewards = self.preparation.candidates.n, self.preparation.rewards.of_task(self.task)
        outputs = 1 + rewards.outputs.n_outputs
        alone, beside = self._prompt(texts, 0), self._prompt(texts, 1)
        # A server is sent every output with its whole prompt.
        times = outputs if isinstance(rewards.language_model, ServerLanguageModel) else 1
        sampled = n_train * alone if outputs > 1 else 0.0
        return Planned(
            "labels",
            f"{n_train:,} questions with {candidates} candidates each: {n_train * (1 + candidates):,} prompts, "
            f"each with {quantity(outputs, 'output')} to score",
            times * n_train * (alone + candidates * beside) + sampled,
            n_train * (1 + candidates) * self._written_to_score(rewards.reward)
            + (n_train * DRAWS * _ANSWER if outputs > 1 else 0.0),
        )

    def _training(self, n_train: int) -> Planned:
        steps = self.max_steps if self.steps is None else self.steps.steps(n_train, self.batch_size)
        last = self.output_dir / "checkpoints" / "last.ckpt"
        where = f"resumes from {last}" if last.is_file() else "begins at the first step"
        return Planned("training", f"{steps:,} steps of {self.batch_size} questions, without the LLM; {where}")

    def _answers(self, n_test: int, texts: Sequence[str]) -> Planned:
        keys = getattr(self.task.consumer, "top_k", 0)
        read = sum(self._prompt(texts, 0 if row == "none" else keys) for row in self.rows) * n_test
        done = self.output_dir / "evaluation" / "rows.jsonl"
        resumes = "; resumes behind the rows that are done" if done.is_file() else ""
        text = f"{quantity(n_test, 'held-out question')} with each of {', '.join(self.rows)}{resumes}"
        return Planned("answers", text, read, n_test * len(self.rows) * _ANSWER)

    def _written_to_score(self, reward: Reward) -> float:
        """Characters that the LLM writes for a reward of one prompt."""
        if is_written(reward):
            return _ANSWER
        return written_to_score(self.preparation.rewards.language_model) * CHARACTERS_A_TOKEN

    def _prompt(self, texts: Sequence[str], keys: int) -> float:
        """Characters of a prompt with so many passages, as they are here; few-shot examples have one each."""
        if self.task.prompt is None:
            return 0.0
        question = EXAMPLES[0].question
        pool = [FewShotExample(f"{question} {k}", EXAMPLES[0].answer, (text,)) for k, text in enumerate(texts[:10])]
        prompt = with_examples(self.task.prompt, pool)
        lengths = [len(prompt.render(question, texts[k : k + keys])) for k in range(max(1, len(texts) - keys + 1))]
        return fmean(lengths)
