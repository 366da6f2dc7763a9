"""Train: prepare what is missing, fit, export."""

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar

from embedder.app.choice import choose, optimised
from embedder.app.monitors import check_logged, check_monitors
from embedder.app.query_only import as_trained
from embedder.app.rehearsal import check_kinds, rehearse
from embedder.app.resume import (
    MovedCheckpoints,
    StoppedEarly,
    callbacks_on_steps,
    checkpoint_of,
    choice_settings,
    is_own,
    plan_settings,
    step_settings,
)
from embedder.app.run_callbacks import add_callbacks, answering, refreshing, reindexing
from embedder.app.trainer_settings import (
    acting_on_steps,
    check_trainer,
    monitored,
    trainer_keywords,
)
from embedder.bounds import Seed
from embedder.callbacks.describe import DescribeCallback
from embedder.callbacks.of_trainer import callbacks_of
from embedder.callbacks.process_group import ProcessGroupGuard, check_in_sweep
from embedder.callbacks.rag_eval import RagEvalSettings
from embedder.callbacks.reindex_settings import ReindexSettings
from embedder.callbacks.retrieval_eval import RetrievalEvalCallback
from embedder.callbacks.step_vectors import StepVectors
from embedder.callbacks.stop_on_signal import StopOnSignal
from embedder.callbacks.validate_last import ValidateLast
from embedder.callbacks.validation_record import ValidationRecord
from embedder.checks import checked
from embedder.data.prepared import PreparedDataset
from embedder.encoders.checkpoint import describe
from embedder.encoders.checkpoint_file import CHECKPOINT_KEY, check_continues
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.encoders.key_side import key_fingerprint, made_by_keys
from embedder.entry.environment import environment
from embedder.entry.run_folder import is_first_process
from embedder.entry.sweep_job import in_sweep, searched_settings
from embedder.errors import ConfigError, how_to_resume
from embedder.identity import plain
from embedder.locks import locked
from embedder.loggers.csv_logger import keep_earlier_log
from embedder.loggers.wandb_logger import finishing_wandb, keep_as_artifact
from embedder.models.device import warn_of_slow_bfloat16
from embedder.preparation.dense import encoder_protocol
from embedder.preparation.labelling import Engine
from embedder.preparation.preparation import Preparation
from embedder.preparation.prepare import prepare
from embedder.preparation.record_judge import check_rejudged
from embedder.preparation.same_data import check_data
from embedder.trainers import built
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.instructions import check_instructions
from embedder.training.module import RetrieverModule
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import TaskSides, VectorIndex
from embedder.vectors.settings import VectorSettings

logger = logging.getLogger(__name__)


@checked("run")
@dataclass(frozen=True)
class TrainRun:
    """What `train.py` does.

    Args:
        tasks: The task mix.
        preparation: Makes the records that are missing.
        engine: Where the LLM judges for them.
        encoder: What is trained.
        optim: Optimizer and schedule.
        data: Batch size, seed, workers.
        trainer: Makes the Lightning trainer, given `callbacks` and `logger`.
        loggers: Lightning loggers.
        callbacks: Lightning callbacks that need nothing of the run; null switches one off.
        retrieval_eval: Makes the callback that scores retrieval, given `datasets` and `new_index`.
        rag_eval: When the LLM answers validation queries.
        reindex: When and how new hard negatives are found.
        new_index: Makes an empty index.
        vectors: The form of vectors of keys, and where those lie that no step changes.
        output_dir: Checkpoints, logs and the exported model go here.
        seed: Of everything random outside of the batch plan.
        optimise: The logged name that a sweep optimises; None where that is a number of something else.
        artifacts: Whether Weights & Biases gets the exported model, where it is among the loggers.
        checkpoint: A checkpoint to resume from; `last` for the one in `output_dir`, or from the start if there is none.
        export_name: Of the folder with the exported model, in `output_dir`.
    """

    tasks: dict[str, Task]
    preparation: Preparation
    engine: Engine
    encoder: EncoderConfig
    optim: AdamWLinear
    data: DataSettings
    trainer: Callable[..., L.Trainer]
    loggers: dict[str, Any]
    callbacks: dict[str, L.Callback | None]
    retrieval_eval: Callable[..., RetrievalEvalCallback]
    rag_eval: RagEvalSettings
    reindex: ReindexSettings
    new_index: Callable[[], VectorIndex]
    vectors: VectorSettings
    output_dir: str
    seed: Seed
    optimise: str | None
    artifacts: bool = False
    checkpoint: str | None = None
    export_name: str = "export"

    def __post_init__(self) -> None:
        keywords = trainer_keywords(self.trainer)
        check_trainer(keywords)
        if keywords["limit_val_batches"] == 0 and (names := list(monitored(self.callbacks))):
            expected = f"more than 0, or callbacks.plain.{names[0]}=null, because it needs a score of validation"
            raise ConfigError("trainer.limit_val_batches", expected, keywords["limit_val_batches"])

    @property
    def kept(self) -> str:
        """What a run leaves that is stopped outside of its steps."""
        if (Path(self.output_dir) / "checkpoints" / "last.ckpt").is_file():
            return how_to_resume(self.output_dir)
        return self.preparation.kept

    @property
    def made_of(self) -> dict[str, Any]:
        """The data and models that decide the weights; see `Run`."""
        data, sources = self.preparation.made_of(self.tasks)
        return {"data": data, "sources": sources, "encoder": encoder_protocol(self.encoder)}

    def run(self) -> float | None:
        """Train and export.

        Returns:
            The value of `optimise` at the exported weights, or the last one where it is not of validation.

        Raises:
            DataError: Another process trains in the folder.
        """
        # One of the processes of a run holds it for all.
        with locked(Path(self.output_dir)) if is_first_process() else nullcontext():
            return self._run()

    def opened(self) -> tuple[L.Trainer, TextEncoder, dict[str, Task]]:
        """Trainer, encoder and the tasks as they are trained.

        What can be wrong is looked at before the LLM is asked, which may take hours.
        """
        trainer = self._trainer()
        L.seed_everything(self.seed, workers=True, verbose=False)  # new adapters are drawn at random
        encoder = TextEncoder(self.encoder)
        tasks = as_trained(self.tasks, encoder)
        check_instructions(tasks, encoder.tokenize)
        self.new_index()
        return trainer, encoder, tasks

    def check_resumes(self, checkpoint: Path) -> None:
        """Refuse a checkpoint that was trained with other settings or data.

        Raises:
            DataError: Which differ.
        """
        check_continues(checkpoint, self.settings_that_stay())
        check_data(checkpoint, *self.preparation.made_of(self.tasks))

    def _run(self) -> float | None:
        checkpoint = checkpoint_of(self.checkpoint, Path(self.output_dir))
        if checkpoint is not None:
            self.check_resumes(checkpoint)
        trainer, encoder, tasks = self.opened()
        run = replace(self, tasks=tasks)
        keep_earlier_log(Path(self.output_dir))
        with finishing_wandb():
            self._open_loggers(trainer)
            data, sources = self.preparation.made_of(self.tasks)  # labelling takes hours, in which files may change
            datasets = prepare(self.tasks, self.preparation, self.engine, trainer.device_ids)
            if self.rag_eval.every_n_steps is None:
                self.preparation.release()
            if checkpoint is not None and not is_own(checkpoint, Path(self.output_dir)):
                folder = checkpoint.parent
                logger.warning("resuming in another folder, so the best checkpoint in %s is not considered", folder)
            about = {"environment": environment(), "data": data, "sources": sources, **self.settings_that_stay()}
            record = run._fit(trainer, encoder, datasets, about, checkpoint)
            last = Path(self.output_dir) / "checkpoints" / "last.ckpt"
            choice = choose(trainer, record, last) if trainer.is_global_zero else None
            value = None if self.optimise is None else optimised(trainer, choice, self.optimise)
            if choice is not None:
                directory = Path(self.output_dir) / self.export_name
                export(choice.encoder(encoder), run._sides, directory, {**about, **choice.about})
                logger.info("exported model: %s", directory)
                if self.artifacts:
                    keep_as_artifact(directory, trainer.loggers)
            return value

    def _fit(
        self,
        trainer: L.Trainer,
        encoder: TextEncoder,
        datasets: list[PreparedDataset],
        about: Mapping[str, Any],
        checkpoint: Path | None,
    ) -> ValidationRecord:
        """Validate the untrained encoder, unless the run resumes from a checkpoint, and train."""
        module = RetrieverModule(encoder, self.tasks, self.optim, self.seed, self.encoder.dimensions)
        data = RetrieverDataModule(datasets, self.tasks, encoder.tokenize, self.data)
        retrieval = self.retrieval_eval(datasets=datasets, new_index=self.new_index)
        record = ValidationRecord(retrieval)
        keys = key_fingerprint(encoder) if encoder.query_only else None  # once: training leaves them as they are
        describe_run = DescribeCallback(CHECKPOINT_KEY, partial(describe, encoder, self._sides, about, keys))
        kept = None if keys is None else made_by_keys(encoder, keys, str(trainer.precision))
        refresh = refreshing(self.reindex, self.preparation, self.tasks, self.new_index)
        working = [
            *([MovedCheckpoints()] if checkpoint is not None and is_own(checkpoint, Path(self.output_dir)) else []),
            *([StoppedEarly()] if checkpoint is not None else []),
            StepVectors(Path(self.output_dir) / "vectors", self.vectors, kept),
            *answering(self.rag_eval, self.preparation, self.tasks, datasets, self.new_index),
            *reindexing(self.reindex, refresh, self.encoder, Path(self.output_dir), checkpoint),
        ]
        add_callbacks(trainer, datasets, [retrieval, record, describe_run], working)
        if checkpoint is None:
            scores: dict[str, Any] = {}
            for of_loader in trainer.validate(module, data, verbose=False):
                scores |= of_loader
            check_logged(callbacks_of(trainer, L.Callback), scores)
            logger.info("before training: %s", _scores(scores))
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        steps = f"{trainer.global_step} steps" if trainer.global_step else "training"  # of ddp_spawn unknown here
        logger.info("after %s: %s", steps, _scores(trainer.callback_metrics))
        return record

    @property
    def _sides(self) -> dict[str, TaskSides]:
        return {name: task.sides for name, task in self.tasks.items()}

    def settings_that_stay(self) -> dict[str, dict[str, Any]]:
        """What has to be as it was when a run is resumed, beside the data."""
        trainer = trainer_keywords(self.trainer)
        reindex = (
            {"reindex": plain((self.reindex, self.new_index)), **self.vectors.protocol} if self.reindex.is_on else {}
        )
        return {
            "plan": plan_settings(self.tasks, self.data),
            "training": {
                **step_settings(self.tasks, self.encoder, self.optim, self.seed),
                **reindex,
                **callbacks_on_steps(self.callbacks),
                **acting_on_steps(trainer),
            },
            "validation": {
                **choice_settings(self.callbacks, self.rag_eval, self.retrieval_eval),
                "trainer.limit_val_batches": trainer["limit_val_batches"],
                "index": plain(self.new_index),
                **self.vectors.protocol,
            },
        }

    def _trainer(self) -> L.Trainer:
        """The trainer with the callbacks that need no data; its settings are checked for this mix."""
        chosen = [callback for callback in self.callbacks.values() if callback is not None]
        loggers = [run_logger for run_logger in self.loggers.values() if run_logger is not None]
        check_kinds(self.callbacks, self.loggers)
        callbacks = [ValidateLast(), ProcessGroupGuard(), *chosen]
        keywords = trainer_keywords(self.trainer)
        shown = keywords["enable_progress_bar"] is not False and any(isinstance(one, ProgressBar) for one in chosen)
        trainer = built(self.trainer, keywords, callbacks=callbacks, logger=loggers, enable_progress_bar=shown)
        rehearse(self.callbacks, logs=bool(loggers), accumulated=trainer.accumulate_grad_batches)
        self.data.check(trainer.world_size)
        if "bf16" in str(trainer.precision):
            warn_of_slow_bfloat16(trainer.strategy.root_device.type, "trainer.precision", "32-true")
        if in_sweep():
            check_in_sweep(trainer)
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, StopOnSignal):
                callback.check(trainer)
        if self.reindex.is_on:
            refreshed = self.reindex.check(self.tasks, trainer)
            check_rejudged(self.preparation.rewards, [self.tasks[name] for name in refreshed])
        if self.rag_eval.every_n_steps is not None:
            self.rag_eval.check(self.tasks)
        cutoff = getattr(self.retrieval_eval, "keywords", {}).get("cutoff", 10)
        answered, validated = self.rag_eval.every_n_steps, trainer.val_check_interval // trainer.accumulate_grad_batches
        check_monitors(callbacks_of(trainer, L.Callback), self.tasks, cutoff, self.optimise, answered, int(validated))
        return trainer

    def _open_loggers(self, trainer: L.Trainer) -> None:
        """Write the settings of the run, which opens every logger: what one of them cannot take shows now."""
        for run_logger in trainer.loggers:
            try:
                run_logger.log_hyperparams(self._settings())
            except (TypeError, ValueError) as error:
                expected = f"settings that {type(run_logger).__name__} takes"
                raise ConfigError("logger", expected, " ".join(str(error).split())) from error

    def _settings(self) -> dict[str, Any]:
        """What distinguishes runs in a logger."""
        parts: dict[str, Any] = {"encoder": self.encoder, "optim": self.optim, "data": self.data, **self.tasks}
        searched = {"searched": names} if (names := searched_settings()) else {}
        return {name: asdict(part) for name, part in parts.items()} | {"seed": self.seed} | searched


def _scores(metrics: Mapping[str, Any]) -> str:
    scores = [f"{name} {float(value):.4f}" for name, value in metrics.items() if name.startswith("val/")]
    return ", ".join(scores) or "nothing was validated"
