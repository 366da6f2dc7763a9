"""Train: prepare what is missing, fit, export."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch

from embedder.app.prepare import Preparation
from embedder.app.start import environment
from embedder.callbacks.describe import DescribeCallback
from embedder.callbacks.retrieval_eval import RetrievalEvalCallback
from embedder.data.prepared import PreparedDataset
from embedder.errors import ConfigError
from embedder.models.checkpoint import CHECKPOINT_KEY, describe
from embedder.models.encoder import EncoderConfig
from embedder.models.export import TaskSides, export
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.module import RetrieverModule
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import VectorIndex

logger = logging.getLogger(__name__)


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
        new_index: Makes an empty index.
        output_dir: Checkpoints, logs and the exported model go here.
        seed: Of everything random outside of the batch plan.
        checkpoint: A checkpoint to go on from.
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
    new_index: Callable[[], VectorIndex]
    output_dir: str
    seed: int
    checkpoint: str | None = None

    def run(self) -> Path:
        """Train and export.

        Returns:
            The exported directory.
        """
        if self.checkpoint is not None and not Path(self.checkpoint).is_file():
            raise ConfigError("run.checkpoint", "a checkpoint file", self.checkpoint)
        datasets = self.preparation.prepare(self.tasks)
        L.seed_everything(self.seed, workers=True, verbose=False)
        encoder = self.encoder.build()
        sides = {name: task_sides(task) for name, task in self.tasks.items()}
        about = {"environment": environment(), "data": _data_protocol(datasets)}
        module = RetrieverModule(encoder, self.tasks, self.optim)
        data = RetrieverDataModule(datasets, self.tasks, encoder.tokenize, self.data)
        callbacks = [
            self.retrieval_eval(datasets=datasets, new_index=self.new_index),
            DescribeCallback(CHECKPOINT_KEY, lambda: describe(encoder, sides, about)),
            *(callback for callback in self.callbacks.values() if callback is not None),
        ]
        trainer = self.trainer(callbacks=callbacks, logger=[one for one in self.loggers.values() if one is not None])
        if self.checkpoint is None:
            before = trainer.validate(module, data, verbose=False)
            logger.info("before training: %s", _scores(before[0]))
        trainer.fit(module, data, ckpt_path=self.checkpoint, weights_only=True)
        logger.info("after %d steps: %s", trainer.global_step, _scores(trainer.callback_metrics))
        directory = Path(self.output_dir) / "export"
        if trainer.is_global_zero:
            self._load_best(trainer, module)
            export(encoder, sides, directory, about)
            logger.info("exported model: %s", directory)
        return directory

    def _load_best(self, trainer: L.Trainer, module: RetrieverModule) -> None:
        """Weights of the best checkpoint, where one was kept by a metric; else the last ones stay."""
        callback = trainer.checkpoint_callback
        best = getattr(callback, "best_model_path", "")
        if not best:
            logger.info("no best checkpoint: the last weights are exported")
            return
        module.load_state_dict(torch.load(best, map_location="cpu", weights_only=True)["state_dict"])
        logger.info("best checkpoint: %s (%s %.4f)", best, callback.monitor, callback.best_model_score)  # type: ignore[union-attr]


def task_sides(task: Task) -> TaskSides:
    """The part of a task that inference needs."""
    return TaskSides(task.query_instruction, task.key_instruction, task.query_max_length, task.key_max_length)


def _data_protocol(datasets: list[PreparedDataset]) -> dict[str, Any]:
    return {f"{dataset.task}/{dataset.name}": dataset.protocol() for dataset in datasets}


def _scores(metrics: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {float(value):.4f}" for name, value in metrics.items() if name.startswith("val/"))
