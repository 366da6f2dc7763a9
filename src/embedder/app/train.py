"""Train: prepare what is missing, fit, export."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from embedder.app.choice import Choice, choose
from embedder.app.monitors import check_monitors
from embedder.app.start import environment
from embedder.app.sweep_job import in_sweep, searched_settings
from embedder.app.trainer_settings import (
    acting_on_steps,
    callbacks_on_steps,
    check_trainer,
    monitored,
    plain,
    refused,
    trainer_keywords,
)
from embedder.callbacks.best import best_checkpoint, early_stopping
from embedder.callbacks.describe import DescribeCallback
from embedder.callbacks.process_group import ProcessGroupGuard, check_in_sweep
from embedder.callbacks.rag_eval import RagEvalCallback, RagEvalSettings
from embedder.callbacks.reindex import ReindexCallback, ReindexSettings
from embedder.callbacks.retrieval_eval import RetrievalEvalCallback
from embedder.callbacks.reward_histograms import RewardHistograms
from embedder.callbacks.step_log import StepLogWriter
from embedder.callbacks.stop_on_signal import StopOnSignal
from embedder.callbacks.validate_last import ValidateLast
from embedder.callbacks.validation_record import ValidationRecord
from embedder.checks import check_types
from embedder.data.prepared import PreparedDataset
from embedder.encoders.checkpoint import describe
from embedder.encoders.checkpoint_file import CHECKPOINT_KEY, check_continues
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.errors import ConfigError
from embedder.files import locked
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.metrics.text import has_answer
from embedder.models.device import tell_slow_bfloat16
from embedder.preparation.few_shot import shown_prompt
from embedder.preparation.preparation import Preparation
from embedder.preparation.prepare import prepare
from embedder.shown import shown
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.module import RetrieverModule
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task, instruction_doubt
from embedder.types import VectorIndex

logger = logging.getLogger(__name__)

_LEAST_TEXT = 4  # tokens of a text beside its instruction
_NEGATIVES = "negatives"  # folder of a run
# Settings of the encoder that change where and how it runs, and no weight.
_FREE_TO_CHANGE = frozenset({"device", "encode_tokens", "micro_batch_tokens", "cached_gradients", "unpadded"})


@dataclass(frozen=True)
class TrainRun:
    """What `train.py` does.

    Args:
        tasks: The task mix.
        preparation: Makes the records that are missing.
        encoder: What is trained.
        optim: Optimizer and schedule.
        data: Batch size, seed, workers.
        trainer: Makes the Lightning trainer, given `callbacks` and `logger`.
        loggers: Lightning loggers.
        callbacks: Lightning callbacks that need nothing of the run; null switches one off.
        retrieval_eval: Makes the callback that scores retrieval, given `datasets` and `new_index`.
        rag_eval: When the LLM is asked about held-out queries.
        reindex: When and how hard negatives are made anew.
        new_index: Makes an empty index.
        output_dir: Checkpoints, logs and the exported model go here.
        seed: Of everything random outside of the batch plan.
        optimise: The logged name that a sweep goes by.
        artifacts: Whether Weights & Biases gets the exported model, where it is among the loggers.
        checkpoint: A checkpoint to go on from; `last` for the one in `output_dir`, or from the start if there is none.
    """

    tasks: dict[str, Task]
    preparation: Preparation
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
    output_dir: str
    seed: int
    optimise: str
    artifacts: bool = False
    checkpoint: str | None = None

    def __post_init__(self) -> None:
        check_types(self, "run")
        keywords = trainer_keywords(self.trainer)
        check_trainer(keywords)
        if keywords["limit_val_batches"] == 0 and (names := list(monitored(self.callbacks))):
            expected = f"more than 0, or callbacks.plain.{names[0]}=null: it goes by a score of validation"
            raise ConfigError("trainer.limit_val_batches", expected, keywords["limit_val_batches"])

    @property
    def kept(self) -> str:
        """What a run leaves that is stopped outside of its steps."""
        if (Path(self.output_dir) / "checkpoints" / "last.ckpt").is_file():
            return f"to go on, run the same command with hydra.run.dir={self.output_dir} run.checkpoint=last"
        return self.preparation.kept

    def run(self) -> float | None:
        """Train and export.

        Returns:
            The value of `optimise` at the exported weights, or the last one where it is not of validation.

        Raises:
            DataError: Another process trains in the folder.
        """
        # One of the processes of a run holds it for all.
        with locked(Path(self.output_dir)) if getattr(rank_zero_only, "rank", 0) == 0 else nullcontext():
            return self._run()

    def _run(self) -> float | None:
        # What can be wrong is looked at before the LLM is asked, which may take hours.
        checkpoint = self._checkpoint()
        settings = {"plan": self._plan(), "training": self._training(), "validation": self._validation()}
        if checkpoint is not None:
            check_continues(checkpoint, settings)
        trainer = self._trainer()
        L.seed_everything(self.seed, workers=True, verbose=False)  # new adapters are drawn at random
        encoder = TextEncoder(self.encoder)
        self._check_instructions(encoder)
        self.new_index()
        _keep_log(Path(self.output_dir) / "csv" / "metrics.csv")
        try:
            self._open_loggers(trainer)
            datasets = prepare(self.tasks, self.preparation)
            sides = {name: task.sides for name, task in self.tasks.items()}
            data_protocol = {"data": _data_protocol(datasets)}
            about = {"environment": environment(), **data_protocol, **settings}
            if checkpoint is not None:
                check_continues(checkpoint, data_protocol)
                if checkpoint.parent.parent.absolute() != Path(self.output_dir).absolute():
                    logger.warning(
                        "going on in another folder: the best checkpoint of %s is forgotten", checkpoint.parent
                    )
            module = RetrieverModule(encoder, self.tasks, self.optim, self.seed, self.encoder.dimensions)
            data = RetrieverDataModule(datasets, self.tasks, encoder.tokenize, self.data)
            retrieval = self.retrieval_eval(datasets=datasets, new_index=self.new_index)
            record = ValidationRecord(retrieval)
            describe_run = DescribeCallback(CHECKPOINT_KEY, partial(describe, encoder, sides, about))
            self._add_callbacks(trainer, datasets, [retrieval, record, describe_run], checkpoint)
            if checkpoint is None:
                before = trainer.validate(module, data, verbose=False)
                scores = {name: value for some in before for name, value in some.items()}
                _check_monitor(trainer, scores)
                logger.info("before training: %s", _scores(scores))
            trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
            logger.info("after %d steps: %s", trainer.global_step, _scores(trainer.callback_metrics))
            last = Path(self.output_dir) / "checkpoints" / "last.ckpt"
            choice = choose(trainer, record, last) if trainer.is_global_zero else None
            value = self._optimised(trainer, choice)
            if value is not None:
                for one in trainer.loggers:
                    one.log_metrics({f"best/{self.optimise}": value}, step=trainer.global_step)
            directory = Path(self.output_dir) / "export"
            if choice is not None:
                export(self._chosen(choice, encoder), sides, directory, about)
                logger.info("exported model: %s", directory)
                for one in trainer.loggers if self.artifacts else []:
                    if isinstance(one, WandbLogger):
                        one.experiment.log_artifact(str(directory), f"export-{one.experiment.id}", "model")
        finally:
            if (wandb := sys.modules.get("wandb")) is not None:
                # The next run of a sweep gets a run of its own; one that failed or was stopped is shown as such.
                wandb.finish(exit_code=0 if sys.exc_info()[0] is None else 1)
        return value

    def _trainer(self) -> L.Trainer:
        """The trainer with the callbacks that need no data, its settings held against the mix."""
        callbacks = [ValidateLast(), ProcessGroupGuard(), *(one for one in self.callbacks.values() if one is not None)]
        loggers = [one for one in self.loggers.values() if one is not None]
        try:
            trainer = self.trainer(callbacks=callbacks, logger=loggers)
        except (TypeError, ValueError, ImportError, MisconfigurationException) as error:
            raise refused(error, trainer_keywords(self.trainer)) from error
        self.data.check(trainer.world_size)
        if "bf16" in str(trainer.precision):
            tell_slow_bfloat16(trainer.strategy.root_device.type, "trainer.precision", "32-true")
        if in_sweep():
            check_in_sweep(trainer)
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, StopOnSignal):
                callback.check(trainer)
        if self.reindex.is_on:
            self.reindex.check(self.tasks, trainer.max_steps)
        if self.rag_eval.every_n_steps is not None:
            self.rag_eval.check(self.tasks)
        cutoff = getattr(self.retrieval_eval, "keywords", {}).get("cutoff", 10)
        check_monitors(trainer.callbacks, self.tasks, cutoff, answered=self.rag_eval.every_n_steps is not None)  # type: ignore[attr-defined]
        return trainer

    def _open_loggers(self, trainer: L.Trainer) -> None:
        """Write the settings of the run, which opens every logger: what one of them cannot take shows now."""
        for one in trainer.loggers:
            try:
                one.log_hyperparams(self._settings())
            except (TypeError, ValueError) as error:
                expected = f"settings that {type(one).__name__} takes"
                raise ConfigError("logger", expected, " ".join(str(error).split())) from error

    def _add_callbacks(
        self,
        trainer: L.Trainer,
        datasets: Sequence[PreparedDataset],
        first: Sequence[L.Callback],
        checkpoint: Path | None,
    ) -> None:
        """Add those that need the data: scores come first, what is written for others last, checkpoints after all."""
        others: list[L.Callback] = [one for one in trainer.callbacks if not isinstance(one, Checkpoint)]  # type: ignore[attr-defined]
        callbacks = [
            *first,
            *others,
            *self._answering(datasets),
            *self._reindexing(checkpoint),
            RewardHistograms(datasets),
            StepLogWriter(),
            *trainer.checkpoint_callbacks,
        ]
        if not any(query.positives for dataset in datasets for query in dataset.validation_queries()):
            callbacks = [_by_loss(callback) for callback in callbacks]
        trainer.callbacks = callbacks  # type: ignore[attr-defined]  # Lightning's own attribute

    def _checkpoint(self) -> Path | None:
        """What to go on from."""
        if self.checkpoint is None:
            return None
        if self.checkpoint != "last":
            if not Path(self.checkpoint).is_file():
                expected = "a checkpoint file that exists (checkpoints/*.ckpt of a run), or last"
                raise ConfigError("run.checkpoint", expected, self.checkpoint)
            return Path(self.checkpoint)
        path = Path(self.output_dir) / "checkpoints" / "last.ckpt"
        logger.info("going on from %s" if path.is_file() else "no %s yet: training from the start", path)
        return path if path.is_file() else None

    def _answering(self, datasets: Sequence[PreparedDataset]) -> list[L.Callback]:
        """What asks the LLM about held-out queries, if anything does."""
        if self.rag_eval.every_n_steps is None:
            return []
        sources = self.preparation.datasets(self.tasks)
        prompts = [
            shown_prompt(task, source, prepared.corpus())
            for (task, source), prepared in zip(sources, datasets, strict=True)
        ]
        rewards = self.preparation.rewards
        open_language_model = partial(CachedLanguageModel, rewards.language_model, Path(rewards.store))
        return [RagEvalCallback(self.rag_eval, datasets, prompts, self.new_index, open_language_model)]

    def _reindexing(self, checkpoint: Path | None) -> list[L.Callback]:
        """What makes negatives anew, if anything does."""
        if not self.reindex.is_on:
            return []
        earlier = None if checkpoint is None else checkpoint.parent.parent / _NEGATIVES
        return [ReindexCallback(self.reindex, self.new_index, has_answer, Path(self.output_dir) / _NEGATIVES, earlier)]

    def _settings(self) -> dict[str, Any]:
        """What tells runs apart in a logger."""
        parts: dict[str, Any] = {"encoder": self.encoder, "optim": self.optim, "data": self.data, **self.tasks}
        searched = {"searched": found} if (found := searched_settings()) else {}
        return {name: asdict(part) for name, part in parts.items()} | {"seed": self.seed} | searched

    def _plan(self) -> dict[str, Any]:
        """What decides which records every step takes."""
        weights = {name: task.weight for name, task in self.tasks.items()}
        data = asdict(self.data)
        return {"batch_size": data["batch_size"], "seed": data["seed"], "mixture": data["mixture"], "weights": weights}

    def _training(self) -> dict[str, Any]:
        """What decides what a step does to the weights, as plain values."""
        encoder = {name: value for name, value in asdict(self.encoder).items() if name not in _FREE_TO_CHANGE}
        tasks = {
            f"tasks.{name}": repr((task.sides, task.objective, task.sampling)) for name, task in self.tasks.items()
        }
        return {
            "encoder": repr(encoder),
            "optim": repr(self.optim),
            "seed": self.seed,
            **tasks,
            **({"reindex": repr((self.reindex, plain(self.new_index)))} if self.reindex.is_on else {}),
            **callbacks_on_steps(self.callbacks),
            **acting_on_steps(trainer_keywords(self.trainer)),
        }

    def _validation(self) -> dict[str, Any]:
        """What decides which checkpoint is the best one: scores of other kinds do not compare."""
        found: dict[str, Any] = {
            f"callbacks.plain.{name}": [one.monitor, one.mode]
            for name, one in monitored(self.callbacks).items()
            if isinstance(one, ModelCheckpoint)
        }
        if any(str(monitor).startswith("rag/") for monitor, _ in found.values()):
            found["callbacks.rag_eval"] = repr(self.rag_eval)
        found["trainer.limit_val_batches"] = trainer_keywords(self.trainer)["limit_val_batches"]
        return {**found, "callbacks.retrieval_eval": plain(self.retrieval_eval), "index": plain(self.new_index)}

    def _check_instructions(self, encoder: TextEncoder) -> None:
        """An instruction that fills the length of its side would make all texts one; one may run into the text."""
        for name, task in self.tasks.items():
            for side in ("query", "key"):
                length = getattr(task, f"{side}_max_length")
                instruction = getattr(task, f"{side}_instruction")
                n = encoder.tokenize([""], instruction)["input_ids"].shape[1]
                if length < n + _LEAST_TEXT:
                    expected = f"{n + _LEAST_TEXT} or more, since the instruction takes {n} tokens"
                    raise ConfigError(f"tasks.{name}.{side}_max_length", expected, length)
                if doubt := instruction_doubt(instruction):
                    logger.warning("tasks.%s.%s_instruction %s: '%s'", name, side, doubt, shown(instruction))

    def _optimised(self, trainer: L.Trainer, choice: Choice | None) -> float | None:
        """The number that a sweep goes by."""
        found = None if choice is None else choice.scores.get(self.optimise)
        last = trainer.callback_metrics.get(self.optimise) if found is None else found
        if last is None:
            logger.warning("optimise: no %s was logged; there is %s", self.optimise, sorted(trainer.callback_metrics))
        return None if last is None else float(last)

    def _chosen(self, choice: Choice, trained: TextEncoder) -> TextEncoder:
        """The encoder with the weights that are exported."""
        if not choice.untrained and choice.weights is None:
            return trained
        encoder = TextEncoder(self.encoder)
        if choice.weights is not None:
            encoder.load_state_dict(choice.weights)
        return encoder


@rank_zero_only
def _keep_log(path: Path) -> None:
    """Set the log of an earlier stretch of the run aside: Lightning's logger would delete it."""
    if path.is_file():
        n = sum(1 for _ in path.parent.glob(f"{path.stem}.until-stop-*{path.suffix}"))
        path.rename(path.with_name(f"{path.stem}.until-stop-{n + 1}{path.suffix}"))


def _by_loss(callback: L.Callback) -> L.Callback:
    """A callback that goes by the held-out loss: without a labelled held-out query nDCG has no value."""
    if not isinstance(callback, ModelCheckpoint | EarlyStopping) or not str(callback.monitor).startswith("val/ndcg"):
        return callback
    logger.warning("no held-out query is labelled: %s goes by val/loss, not by %s", _name(callback), callback.monitor)
    if isinstance(callback, EarlyStopping):
        return early_stopping("val/loss", min_delta=abs(callback.min_delta), patience=callback.patience)
    return best_checkpoint(
        "val/loss",
        save_top_k=callback.save_top_k,
        dirpath=callback.dirpath,
        filename=callback.filename,
        auto_insert_metric_name=False,
    )


def _name(callback: ModelCheckpoint | EarlyStopping) -> str:
    return "early stopping" if isinstance(callback, EarlyStopping) else "the best checkpoint"


def _check_monitor(trainer: L.Trainer, scores: Mapping[str, Any]) -> None:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning's own attribute
        monitor = getattr(callback, "monitor", None)
        if monitor is not None and monitor.startswith("val/") and monitor not in scores:
            where = "early_stopping" if isinstance(callback, EarlyStopping) else "best"
            raise ConfigError(f"callbacks.plain.{where}.monitor", f"a name among {sorted(scores)}", monitor)


def _data_protocol(datasets: list[PreparedDataset]) -> dict[str, Any]:
    return {f"{dataset.task}/{dataset.name}": dataset.protocol() for dataset in datasets}


def _scores(metrics: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {float(value):.4f}" for name, value in metrics.items() if name.startswith("val/"))
