"""Ctrl-C and SIGTERM end a run after the step in progress, with a checkpoint to go on from."""

import signal
import threading
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from embedder.callbacks.last_checkpoint import LastCheckpoint, validation_follows
from embedder.errors import ConfigError, Interrupted


class StopOnSignal(Checkpoint):
    """Waits for the end of a step, since weights and optimizer are whole only there; a second signal ends at once.

    All processes stop after the same step, whichever of them got the signal. As a `Checkpoint` it comes after all other
    callbacks, which have then taken in the step.

    Raises:
        Interrupted: After the checkpoint is written.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._replaced: dict[int, Any] = {}
        self._step = -1

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Fail before the first step when there is nothing to write the checkpoint."""
        self.check(trainer)

    @staticmethod
    def check(trainer: L.Trainer) -> None:
        """Refuse a trainer that has nothing to write the checkpoint with."""
        if not any(isinstance(callback, LastCheckpoint) for callback in trainer.callbacks):  # type: ignore[attr-defined]
            raise ConfigError("callbacks.plain.last", "a LastCheckpoint, which stop_on_signal writes with", None)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the signals over from Lightning, whose handlers end the run without a checkpoint."""
        self._step = trainer.global_step
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._replaced[number] = signal.signal(number, self._receive)

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """After a whole step, stop if a process was asked to; a step that is validated first stops after that."""
        if trainer.global_step == self._step:  # further batches belong to this step
            return
        self._step = trainer.global_step
        if not validation_follows(trainer):
            self._stop_if_asked(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """After a validation too."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._stop_if_asked(trainer)

    def _stop_if_asked(self, trainer: L.Trainer) -> None:
        if trainer.strategy.reduce_boolean_decision(self._received is not None, all=False):
            last = next(callback for callback in trainer.callbacks if isinstance(callback, LastCheckpoint))  # type: ignore[attr-defined]
            path = last.save(trainer)
            raise Interrupted(
                f"stopped after step {trainer.global_step} of {trainer.max_steps}; to go on, run the same command with "
                f"hydra.run.dir={path.parent.parent} run.checkpoint=last",
                self._received or signal.SIGTERM,
            )

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Give the signals back: Lightning tears callbacks down on normal ends only."""
        self._give_back()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Give the signals back."""
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._replaced.items():
            signal.signal(number, handler)
        self._replaced = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
