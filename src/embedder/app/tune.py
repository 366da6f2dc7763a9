"""Tune: from documents, and an LLM, to a retriever and a verdict on it."""

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from embedder.app.evaluate import EvaluateRun
from embedder.app.train import TrainRun
from embedder.app.tune_cost import Costs
from embedder.app.tune_steps import StepRule
from embedder.checks import checked
from embedder.data.jsonl import JsonLines
from embedder.data.sources import Dataset
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.errors import ConfigError
from embedder.files import copy_folder, write_atomically
from embedder.index.bm25_index import BM25Index
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.metered import MeteredLanguageModel
from embedder.llm.usage import Price
from embedder.preparation.datasets import Source, dataset_pairs
from embedder.preparation.dense import with_own_prompts
from embedder.preparation.prepare import prepare
from embedder.questions.file import question_file
from embedder.questions.reader import Reader
from embedder.questions.settings import QuestionSettings
from embedder.questions.writer import QuestionWriter
from embedder.results.tuning import TuningVerdict
from embedder.training.task import Task

logger = logging.getLogger(__name__)


@checked("run")
@dataclass(frozen=True)
class TuneRun:
    """What `train.py experiment=tune` does.

    Args:
        train: Labels and trains, as `train.py` alone.
        evaluate: Judges the base encoder and the trained one on held-out questions, as `evaluate.py`.
        questions: What the LLM writes, where the source names no questions.
        steps: How long training is; None for what its trainer says.
        price: Of the LLM's tokens.
        output_dir: Of all stages: questions, checkpoints, `export-tuned/`, `evaluation/`, the verdict and `export/`.
        checkpoint: Where training resumes from; see `TrainRun`.
    """

    train: TrainRun
    evaluate: EvaluateRun
    questions: QuestionSettings
    steps: StepRule | None
    price: Price
    output_dir: str
    checkpoint: str | None = "last"

    @property
    def kept(self) -> str:
        """What a stopped run leaves."""
        store = self.train.preparation.rewards.store
        again = f"to resume, run the same command with hydra.run.dir={self.output_dir}"
        return f"what the LLM has said is kept in {store}; {again}"

    def run(self) -> TuningVerdict:
        """Questions, labels, training, evaluation, verdict: each stage finds what an earlier start has done."""
        language_model = MeteredLanguageModel(self.train.preparation.rewards.language_model)
        costs = Costs(language_model.usage, self.price)
        with costs.stage("opening"):
            self.train.opened()
            language_model.generate(["The LLM is there"], 1)  # what is wrong with it shows before anything is read
        with costs.stage("questions"):
            source = self._with_questions(self.train.preparation.source, language_model)
        training, judging = self._trained(source, language_model), self._judged(source, language_model)
        with costs.stage("labels"):
            prepare(training.tasks, training.preparation)
        with costs.stage("training"):
            training.run()
        with costs.stage("answers"):
            verdict = TuningVerdict.of(judging.score())
        self._conclude(verdict, costs)
        return verdict

    def _with_questions(self, source: Source, language_model: MeteredLanguageModel) -> Source:
        """The source with the user's questions, or with those that the LLM writes."""
        task, dataset = self._only(source)
        if getattr(source, "questions", None) is not None or dataset.train is not None:
            return source
        if task.prompt is None:
            raise ConfigError(f"tasks.{task.name}.prompt", "a prompt, by which the LLM answers its questions", None)
        rewards = self.train.preparation.rewards
        shipped = [Path(path) for path in rewards.shipped_stores]
        cached = CachedLanguageModel(language_model, Path(rewards.store), shipped)
        reader = Reader(cached, task.prompt, self.questions.reward, rewards.outputs)
        writer = QuestionWriter(cached, self.questions, reader, BM25Index(self.train.preparation.bm25))
        path = question_file(writer, dataset.file("corpus"), Path(self.output_dir))
        return replace(source, questions=str(path))  # type: ignore[type-var]  # a source with questions is a dataclass

    def _only(self, source: Source) -> tuple[Task, Dataset]:
        pairs = dataset_pairs(source, self.train.tasks)
        if len(pairs) > 1:
            names = [f"{task.name}/{dataset.name}" for task, dataset in pairs]
            raise ConfigError("source.path", "one folder of documents and one task", names)
        return pairs[0]

    def _trained(self, source: Source, language_model: MeteredLanguageModel) -> TrainRun:
        """The training on this source, as long as the number of its questions says."""
        rewards = replace(self.train.preparation.rewards, language_model=language_model)
        preparation = replace(self.train.preparation, source=source, rewards=rewards)
        trainer = self.train.trainer
        if self.steps is not None:
            n = JsonLines(self._only(source)[1].file("train")).n_lines
            trainer = self.steps.trainer(trainer, n, self.train.data.batch_size)
            steps = trainer.keywords["max_steps"]
            logger.info("%d training questions in batches of %d: %d steps", n, self.train.data.batch_size, steps)
        return replace(self.train, preparation=preparation, trainer=trainer, checkpoint=self.checkpoint)

    def _judged(self, source: Source, language_model: MeteredLanguageModel) -> EvaluateRun:
        """The evaluation of what was trained, with the LLM that has labelled."""
        trained = str(self._folder(self.train.export_name))
        return replace(self.evaluate, source=source, checkpoint=trained, language_model=language_model)

    def _conclude(self, verdict: TuningVerdict, costs: Costs) -> None:
        """Export what the verdict keeps, then write the verdict."""
        if verdict.keeps_tuned:
            copy_folder(self._folder(self.train.export_name), self._folder("export"))
        else:
            config = self.train.encoder
            sides = {name: with_own_prompts(task.sides, config) for name, task in self.train.tasks.items()}
            export(TextEncoder(config), sides, self._folder("export"), {"verdict": verdict.as_json()})
        text = "\n\n".join([*verdict.sentences(), costs.sentence()])
        written = json.dumps(verdict.as_json() | {"cost": costs.as_json()}, indent=1, ensure_ascii=False)
        write_atomically(self._folder("verdict.json"), written)
        write_atomically(self._folder("verdict.md"), f"# Verdict\n\n{text}\n")
        logger.info("\n%s\n", text)
        logger.info("verdict: %s; page: %s", self._folder("verdict.md"), self._folder("evaluation/report.html"))

    def _folder(self, name: str) -> Path:
        return Path(self.output_dir) / name
