"""Tune: from documents, and an LLM, to a retriever and a verdict on it."""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from embedder.app.evaluate import EvaluateRun
from embedder.app.query_only import sides_of_base
from embedder.app.resume import checkpoint_of
from embedder.app.train import TrainRun
from embedder.app.trainer_settings import trainer_keywords
from embedder.app.tune_estimate import rendered
from embedder.app.tune_plan import Plan
from embedder.app.tune_steps import StepRule
from embedder.checks import checked
from embedder.data.jsonl import JsonLines
from embedder.data.sources import Dataset
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.encoders.sentence_files import DESCRIPTION, read_json
from embedder.engines.local import LocalEngine
from embedder.entry.run_folder import is_first_process
from embedder.errors import ConfigError
from embedder.evaluation.rows import row_names
from embedder.files import copy_folder, write_atomically
from embedder.index.bm25_index import BM25Index
from embedder.launched import n_launched
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.metered import MeteredLanguageModel
from embedder.llm.usage import Price
from embedder.preparation.datasets import Source, dataset_pairs
from embedder.preparation.prepare import prepare
from embedder.preparation.same_data import check_data
from embedder.questions.file import question_file, question_path
from embedder.questions.reader import Reader
from embedder.questions.settings import QuestionSettings
from embedder.questions.writer import QuestionWriter
from embedder.results.tuning import TuningVerdict
from embedder.rewards.costs import Costs, note_speed, speed_of
from embedder.training.task import Task
from embedder.types import LanguageModel

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
        dry_run: Whether it says what it will do and cost, and does nothing else.
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
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Refuse rewards that the LLM cannot give before it is asked for anything."""
        rewards = self.train.preparation.rewards
        if getattr(self.train.preparation.source, "questions", "") is None:
            replace(rewards, reward=self.questions.reward).check_fit("questions.reward")
        for task in self.train.tasks.values():
            if task.objective.needs_rewards:
                rewards.of_task(task)

    @property
    def kept(self) -> str:
        """What a stopped run leaves."""
        store = self.train.preparation.rewards.store
        again = f"to resume, run the same command with hydra.run.dir={self.output_dir}"
        return f"what the LLM has said is kept in {store}; {again}"

    def run(self) -> TuningVerdict | None:
        """Questions, labels, training, evaluation, verdict: each stage finds what an earlier start has done.

        Returns:
            The verdict; None of a dry run, and of all processes but the first.
        """
        if "RANK" in os.environ or ("LOCAL_RANK" not in os.environ and n_launched() > 1):
            expected = "one process; with trainer.strategy=ddp trainer.devices=N it starts the others for training"
            raise ConfigError(
                "experiment=tune", expected, "several, from torchrun, srun or a SLURM job with several tasks"
            )
        checkpoint = checkpoint_of(self.checkpoint, Path(self.output_dir))
        if checkpoint is not None:
            self._check_resumes(checkpoint)
        if self.dry_run:
            logger.info("a dry run: nothing is asked of the LLM\n%s", self.plan())
            return None
        if self.train.engine != LocalEngine() and is_first_process():
            told = "engine: a tuning asks the LLM in one process; engine.processes and engine=ray act on %s alone"
            logger.warning(told, "prepare.py and a train.py without experiment=tune")
        return replace(self, checkpoint=None if checkpoint is None else str(checkpoint))._tuned()

    def plan(self) -> str:
        """What a run will do and cost, in words; the LLM is not asked."""
        language_model = self.train.preparation.rewards.language_model
        source = self._with_questions(language_model, question_path)
        task, dataset = self._only(source)
        trainer = trainer_keywords(self.train.trainer)
        plan = Plan(
            task=task,
            dataset=dataset,
            preparation=replace(self.train.preparation, source=source),
            questions=self.questions,
            steps=self.steps,
            batch_size=self.train.data.batch_size * trainer["accumulate_grad_batches"],
            max_steps=trainer["max_steps"],
            rows=row_names(self.evaluate.rows, str(self._folder(self.train.export_name))),
            test_share=getattr(source, "test_share", None) or 0.0,
            output_dir=Path(self.output_dir),
        )
        return rendered(plan, self.price, speed_of(self._store, language_model.fingerprint))

    def _check_resumes(self, checkpoint: Path) -> None:
        """Refuse to train on from other data or settings before the LLM is asked, and paid, for anything.

        Raises:
            DataError: Something changed since, and the message says which file or setting.
        """
        language_model = self.train.preparation.rewards.language_model
        source = self._with_questions(language_model, question_path)
        task, dataset = self._only(source)
        if dataset.train is not None:
            self._trained(source, language_model).check_resumes(checkpoint)
        else:
            check_data(checkpoint, {}, {f"{task.name}/{dataset.name}": dataset.made_of()})

    def _tuned(self) -> TuningVerdict | None:
        language_model = MeteredLanguageModel(self.train.preparation.rewards.language_model)
        is_first = is_first_process()  # those that train with it find the labels that it has made
        costs = Costs(self._folder("costs.json") if is_first else None, language_model.usage, self.price)
        with costs.stage("opening"):
            self.train.opened()
            if is_first:  # what is wrong with the LLM shows before anything is read
                language_model.generate(["The LLM is there"], 1)
        with costs.stage("questions"):
            source = self._with_questions(language_model)
        training, judging = self._trained(source, language_model), self._judged(source, language_model)
        if self.steps is not None:
            logger.info("training takes %d steps", trainer_keywords(training.trainer)["max_steps"])
        with costs.stage("labels"):
            prepare(training.tasks, training.preparation)
        with costs.stage("training"):
            training.run()
        if not is_first:
            return None
        with costs.stage("answers"):
            verdict = TuningVerdict.of(judging.score())
        note_speed(self._store, language_model.fingerprint, language_model.usage)
        self._conclude(verdict, costs)
        return verdict

    def _with_questions(self, language_model: LanguageModel, find: Callable[..., Path] = question_file) -> Source:
        """The source with the user's questions, or with those that the LLM writes.

        Args:
            language_model: Writes them.
            find: `question_path` for those that it has written in an earlier start, if it has.
        """
        source = self.train.preparation.source
        task, dataset = self._only(source)
        if dataset.train is not None:
            return source
        path = find(self._writer(task, language_model), dataset.file("corpus"), Path(self.output_dir))
        return replace(source, questions=str(path)) if path.is_file() else source  # type: ignore[type-var]

    def _writer(self, task: Task, language_model: LanguageModel) -> QuestionWriter:
        if task.prompt is None:
            raise ConfigError(f"tasks.{task.name}.prompt", "a prompt, by which the LLM answers its questions", None)
        rewards = self.train.preparation.rewards
        shipped = [Path(path) for path in rewards.shipped_stores]
        cached = CachedLanguageModel(language_model, self._store, shipped)
        reader = Reader(cached, task.prompt, self.questions.reward, rewards.outputs)
        return QuestionWriter(cached, self.questions, reader, BM25Index(self.train.preparation.bm25))

    def _only(self, source: Source) -> tuple[Task, Dataset]:
        pairs = dataset_pairs(source, self.train.tasks)
        if len(pairs) > 1:
            names = [f"{task.name}/{dataset.name}" for task, dataset in pairs]
            raise ConfigError("source.path", "one folder of documents and one task", names)
        return pairs[0]

    def _trained(self, source: Source, language_model: LanguageModel) -> TrainRun:
        """The training on this source, as long as the number of its questions says."""
        rewards = replace(self.train.preparation.rewards, language_model=language_model)
        preparation = replace(self.train.preparation, source=source, rewards=rewards)
        trainer = self.train.trainer
        if self.steps is not None:
            n = JsonLines(self._only(source)[1].file("train")).n_lines
            trainer = self.steps.trainer(trainer, n, self.train.data.batch_size)
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
            base = TextEncoder(self.train.encoder)
            export(base, sides_of_base(self.train.tasks, base), self._folder("export"), {"verdict": verdict.as_json()})
        trained = read_json(self._folder(self.train.export_name) / DESCRIPTION)
        untrained = bool(trained.get("untrained"))
        same = [f"What is called tuned here is the base encoder: {trained['changes'][0]}."] if untrained else []
        text = "\n\n".join([*same, *verdict.sentences(), costs.sentence()])
        told = verdict.as_json() | {"untrained": untrained, "cost": costs.as_json()}
        written = json.dumps(told, indent=1, ensure_ascii=False)
        write_atomically(self._folder("verdict.json"), written)
        write_atomically(self._folder("verdict.md"), f"# Verdict\n\n{text}\n")
        logger.info("\n%s\n", text)
        logger.info("verdict: %s; page: %s", self._folder("verdict.md"), self._folder("evaluation/report.html"))

    @property
    def _store(self) -> Path:
        return Path(self.train.preparation.rewards.store)

    def _folder(self, name: str) -> Path:
        return Path(self.output_dir) / name
