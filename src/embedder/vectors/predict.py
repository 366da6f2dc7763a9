"""Encode a corpus on several devices or machines: a Lightning `predict` run whose processes write their own shards."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import lightning as L
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from torch import nn
from torch.utils.data import DataLoader

from embedder.errors import ConfigError
from embedder.launched import launcher
from embedder.processes import ALONE, Processes
from embedder.trainers import built
from embedder.vectors.encoding import Encoding
from embedder.vectors.stored import StoredVectors

MakeTrainer = Callable[..., L.Trainer]


class EncodingModule(L.LightningModule):
    """One corpus as a module whose `predict_step` makes one shard; no vector is sent to another process.

    Args:
        encoding: What is to be encoded. Where it is planned, as before processes are spawned, it is not planned again.
    """

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encoding = encoding
        self.moved = nn.ModuleList(encoding.modules)  # Lightning brings them to the device of the process

    def predict_dataloader(self) -> "DataLoader[int]":
        """Numbers of the shards that are missing, the share of this process first."""
        processes = Processes.here()
        if not self.encoding.is_planned:
            self.encoding.plan(processes)
        numbers: Any = self.encoding.order(processes)
        return DataLoader(numbers, batch_size=None)

    def predict_step(self, number: int) -> int:
        """Make a shard, unless another process has made it or is making it; returns its number."""
        self.encoding.make_if_free(number)
        return number


def new_trainer(make: MakeTrainer) -> L.Trainer:
    """The trainer of a `predict` run.

    Several devices of one machine get a process each, started from this one; under torchrun and srun, each process that
    was started takes one.

    Args:
        make: `lightning.Trainer` with the settings of the user.

    Raises:
        EmbedderError: Lightning refuses a setting.
    """
    keywords = getattr(make, "keywords", {})
    fixed: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
    fixed["precision"] = "32-true"  # encoders know their own (`run.precision`), by which their vectors are found
    if keywords.get("strategy", "auto") == "auto" and keywords.get("devices", 1) != 1 and launcher() is None:
        fixed["strategy"] = "ddp_spawn"
    return built(make, keywords, **fixed, use_distributed_sampler=False)


class EncodingEngine(Protocol):
    """What else has corpora encoded than a trainer."""

    def encode(self, encoding: Encoding) -> StoredVectors:
        """Have other processes encode a corpus."""
        ...


def elsewhere(engine: EncodingEngine | None, trainer: L.Trainer | None) -> Callable[[Encoding], StoredVectors] | None:
    """Who encodes in place of this process: an engine, the processes of a trainer, or, for None, no one.

    Raises:
        ConfigError: There are two, or the engine only labels.
    """
    by_trainer = None if trainer is None or trainer.world_size == 1 else partial(encode, trainer)
    if engine is None:
        return by_trainer
    if by_trainer is not None or not hasattr(engine, "encode"):
        expected = "ray with trainer.devices=1, or null: trainer.devices=N encodes in N processes of this machine"
        raise ConfigError("engine", expected, type(engine).__name__)
    return engine.encode


def encode(trainer: L.Trainer, encoding: Encoding) -> StoredVectors:
    """Encode a corpus with all processes of the trainer; every process that runs this gets the vectors."""
    spawned = isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)
    if spawned and not encoding.plan():
        return encoding.finish()
    trainer.predict(EncodingModule(encoding), return_predictions=False)
    return encoding.finish(ALONE if spawned else Processes.here())


def starts_by_script(trainer: L.Trainer) -> bool:
    """Whether further processes run the whole command again, which only a command that does nothing else survives."""
    return trainer.world_size > 1 and not isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)
