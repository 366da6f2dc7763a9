"""A fit of two steps on nothing: it shows before the LLM is asked which callbacks of Lightning do not fit the run."""

import copy
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint, ProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.loggers.logger import DummyLogger
from torch import Tensor
from torch.utils.data import DataLoader

from embedder.errors import ConfigError

_STEPS = 2


def check_kinds(callbacks: Mapping[str, Any], loggers: Mapping[str, Any]) -> None:
    """Refuse an object that is no callback, or no logger: Lightning takes it, and fails when it calls it."""
    for kind, where, objects in ((Callback, "callbacks.plain", callbacks), (Logger, "logger", loggers)):
        for name, one in objects.items():
            if one is not None and not isinstance(one, kind):
                raise ConfigError(f"{where}.{name}", f"a {kind.__name__} of Lightning", type(one).__name__)


def rehearse(callbacks: Mapping[str, Callback | None], *, logs: bool, accumulated: int) -> None:
    """Let the callbacks that are Lightning's own take part in a short fit of a module with one weight.

    Those of this project check themselves, and what a user's own one needs of the real module is not known.

    Args:
        callbacks: By name, as they are set.
        logs: Whether the run has a logger.
        accumulated: Batches of a step.

    Raises:
        ConfigError: One does not fit.
    """
    own = {name: one for name, one in callbacks.items() if type(one).__module__.startswith("lightning.")}
    for name, callback in own.items():
        if callback is None or isinstance(callback, ProgressBar):
            continue
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is not None:
            Path(callback.dirpath).mkdir(parents=True, exist_ok=True)
        try:
            _fit(callback, logs=logs, accumulated=accumulated)
        except Exception as error:
            reason = " ".join(str(error).split())
            expected, kind = f"a callback that fits this run ({reason})", type(callback).__name__
            raise ConfigError(f"callbacks.plain.{name}", expected, kind) from error


def _fit(callback: Callback, *, logs: bool, accumulated: int) -> None:
    with tempfile.TemporaryDirectory() as folder, _quietly():
        tried = copy.deepcopy(callback)
        if isinstance(tried, ModelCheckpoint):
            tried.dirpath = folder
        trainer = L.Trainer(
            accelerator="cpu",
            devices=1,
            plugins=[LightningEnvironment()],  # one process, whoever has started it
            logger=DummyLogger() if logs else False,
            callbacks=[tried],
            max_steps=_STEPS,
            max_epochs=-1,
            accumulate_grad_batches=accumulated,
            val_check_interval=accumulated,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            enable_checkpointing=isinstance(tried, Checkpoint),
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        batches: Any = [torch.ones(1)] * (_STEPS * accumulated)
        trainer.fit(_Module(str(getattr(tried, "monitor", None))), DataLoader(batches), DataLoader(batches[:1]))


class _Module(L.LightningModule):
    """Logs the one name that a callback watches."""

    def __init__(self, monitor: str) -> None:
        super().__init__()
        self._weight = torch.nn.Linear(1, 1)
        self._monitor = monitor

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        loss: Tensor = self._weight(batch).mean()
        if self._monitor.startswith("train/"):
            self.log(self._monitor, loss)
        return loss

    def validation_step(self, batch: Tensor, index: int) -> None:
        if not self._monitor.startswith("train/"):
            self.log(self._monitor, self._weight(batch).mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters())
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@contextmanager
def _quietly() -> Iterator[None]:
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
