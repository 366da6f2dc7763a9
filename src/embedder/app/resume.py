"""Resuming a run: from which checkpoint, and which settings have to be as they were."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import (
    Checkpoint,
    DeviceStatsMonitor,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    ModelSummary,
    ProgressBar,
    Timer,
)
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from embedder.app.trainer_settings import monitored
from embedder.callbacks.gradient_norm import GradientNorm
from embedder.callbacks.loss_guard import LossGuard
from embedder.callbacks.rag_eval import RagEvalSettings
from embedder.callbacks.retrieval_eval import RetrievalEvalCallback
from embedder.callbacks.throughput import ThroughputCallback
from embedder.encoders.config import EncoderConfig
from embedder.errors import ConfigError
from embedder.identity import plain
from embedder.training.datamodule import DataSettings
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task

logger = logging.getLogger(__name__)

# Settings of the encoder that change where and how it runs, and no weight.
_FREE_TO_CHANGE = frozenset({"device", "encode_tokens", "micro_batch_tokens", "cached_gradients", "unpadded"})
_WATCHING = (
    *(Checkpoint, EarlyStopping, LearningRateMonitor, LossGuard, GradientNorm, ThroughputCallback),
    *(DeviceStatsMonitor, ModelSummary, ProgressBar, Timer),
)
"""Callbacks that change no step. What others do is not known, so that they count as acting on steps."""


def checkpoint_of(checkpoint: str | None, output_dir: Path) -> Path | None:
    """What to resume from; None to train from the start.

    Args:
        checkpoint: As it is set: a file, or `last` for the one in `output_dir`, if there is one.
        output_dir: Of the run.

    Raises:
        ConfigError: There is no such file.
    """
    if checkpoint is None:
        return None
    if checkpoint != "last":
        if not Path(checkpoint).is_file():
            expected = "a checkpoint file that exists (checkpoints/*.ckpt of a run), or last"
            raise ConfigError("run.checkpoint", expected, checkpoint)
        return Path(checkpoint)
    path = output_dir / "checkpoints" / "last.ckpt"
    logger.info(
        "resuming from %s" if path.is_file() else "there is no %s yet, so training begins at the first step", path
    )
    return path if path.is_file() else None


def is_own(checkpoint: Path, output_dir: Path) -> bool:
    """Whether a checkpoint lies in the folder of the run."""
    return checkpoint.parent.parent.absolute() == output_dir.absolute()


class MovedCheckpoints(L.Callback):
    """Lets a run whose folder was moved find its best checkpoints: they are noted by absolute paths.

    For another folder than it wrote to, Lightning's `ModelCheckpoint` forgets which scores were the best so far.
    """

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note them by where they are now, unless the best one is not there."""
        states = checkpoint["callbacks"]
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, ModelCheckpoint) and (state := states.get(callback.state_key)) is not None:
                here = _moved(state, str(state["dirpath"]), str(callback.dirpath))
                if Path(here["best_model_path"]).is_file():
                    states[callback.state_key] = here


class StoppedEarly(L.Callback):
    """Lets a run that early stopping has ended stay ended, unless it is given more patience now.

    Lightning would train on until the next validation, and take the patience that was set before.
    """

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the patience that is set now."""
        for callback in trainer.early_stopping_callbacks:
            checkpoint["callbacks"].get(callback.state_key, {})["patience"] = callback.patience

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop before the first step."""
        for callback in trainer.early_stopping_callbacks:
            is_patient = callback.wait_count < callback.patience
            goes_on = (EarlyStoppingReason.NOT_STOPPED, *([EarlyStoppingReason.PATIENCE_EXHAUSTED] * is_patient))
            if callback.stopping_reason not in goes_on:
                logger.warning("early stopping has ended this run, so it takes no further step (docs/training.md)")
                trainer.should_stop = True


def _moved(value: Any, old: str, new: str) -> Any:
    """A value with other paths, also those that are keys."""
    if isinstance(value, dict):
        return {_moved(key, old, new): _moved(item, old, new) for key, item in value.items()}
    return f"{new}{value.removeprefix(old)}" if isinstance(value, str) and value.startswith(old) else value


def plan_settings(tasks: Mapping[str, Task], settings: DataSettings) -> dict[str, Any]:
    """What decides which records every step takes."""
    weights = {name: task.weight for name, task in tasks.items()}
    data = asdict(settings)
    names = ("batch_size", "seed", "mixture", "mixed_batches")
    return {**{name: data[name] for name in names}, "weights": weights}


def step_settings(tasks: Mapping[str, Task], encoder: EncoderConfig, optim: AdamWLinear, seed: int) -> dict[str, Any]:
    """What decides what a step does to the weights, beside the trainer and its callbacks, as plain values."""
    of_encoder = {name: value for name, value in asdict(encoder).items() if name not in _FREE_TO_CHANGE}
    of_tasks = {
        f"tasks.{name}": plain(
            (task.query_instruction, task.key_instruction, task.sides, task.objective, task.sampling)
        )
        for name, task in tasks.items()
    }
    return {"encoder": plain(of_encoder), "optim": plain(optim), "seed": seed, **of_tasks}


def callbacks_on_steps(callbacks: Mapping[str, L.Callback | None]) -> dict[str, Any]:
    """The callbacks that may act on a step, with their settings, as plain values."""
    return {
        f"callbacks.plain.{name}": plain(callback)
        for name, callback in callbacks.items()
        if callback is not None and not isinstance(callback, _WATCHING)
    }


def choice_settings(
    callbacks: Mapping[str, L.Callback | None],
    rag_eval: RagEvalSettings,
    retrieval_eval: Callable[..., RetrievalEvalCallback],
) -> dict[str, Any]:
    """What decides which checkpoint is the best one: scores of other kinds do not compare."""
    best: dict[str, Any] = {
        f"callbacks.plain.{name}": [callback.monitor, callback.mode]
        for name, callback in monitored(callbacks).items()
        if isinstance(callback, ModelCheckpoint)
    }
    if any(str(monitor).startswith("rag/") for monitor, _ in best.values()):
        best["callbacks.rag_eval"] = plain(rag_eval)
    return {**best, "callbacks.retrieval_eval": plain(retrieval_eval)}
