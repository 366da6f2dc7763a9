"""Ctrl-C and SIGTERM end a run with a checkpoint to resume from: after the step in progress, or within a validation."""

import signal
import threading
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from embedder.callbacks.last_checkpoint import LastCheckpoint, validation_follows
from embedder.callbacks.of_trainer import callbacks_of
from embedder.errors import ConfigError, Interrupted, how_to_resume


class StopOnSignal(Checkpoint):
    """Waits for the end of a step, since weights and optimizer are whole only there; a second signal ends at once.

    All processes stop after the same step, whichever of them got the signal. In a validation a run stops at once where
    its step is written, as it is before a long one, and a resumed run does the validation; so it does in
    the validation before the first step. As a `Checkpoint` it comes after all other callbacks, which have then taken in
    the step.

    Raises:
        Interrupted: After the checkpoint is written.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._replaced: dict[int, Any] = {}
        self._step = -1
        self._at_once: Interrupted | None = None
        """What a signal raises where it arrives; None where it is waited for."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Fail before the first step when there is nothing to write the checkpoint."""
        self.check(trainer)

    @staticmethod
    def check(trainer: L.Trainer) -> None:
        """Refuse a trainer that has nothing to write the checkpoint with."""
        _last(trainer)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the signals over from Lightning, whose handlers end the run without a checkpoint."""
        self._step = trainer.global_step
        self._take_over()
        if self._is_to_stop(trainer):  # by an earlier callback's work
            raise self._stop(trainer)

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """After a whole step, stop if a process got a signal; if a validation follows, its start stops instead."""
        if trainer.global_step == self._step:  # further batches belong to this step
            return
        self._step = trainer.global_step
        if not validation_follows(trainer) and self._is_to_stop(trainer):
            _last(trainer).save(trainer)
            raise self._stop(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """From here on a signal ends the run at once, if nothing is lost by it."""
        self._take_over()
        is_fitting = trainer.state.fn == TrainerFn.FITTING
        if is_fitting and self._is_to_stop(trainer):
            _last(trainer).save_before_validation(trainer)
            raise self._stop(trainer)
        if not is_fitting or _last(trainer).is_written(trainer):
            self._at_once = self._stop(trainer)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """What follows is writing: logs and checkpoints."""
        self._at_once = None

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """After a validation that was waited for."""
        is_fitting = trainer.state.fn == TrainerFn.FITTING
        is_to_stop = self._is_to_stop(trainer)
        if not is_fitting:
            self._give_back()
        elif is_to_stop:
            _last(trainer).save(trainer)
        if is_to_stop:
            raise self._stop(trainer)

    def _is_to_stop(self, trainer: L.Trainer) -> bool:
        # Lightning knows of a signal that came before its handlers were taken over.
        received = self._received is not None or trainer.received_sigterm
        return trainer.strategy.reduce_boolean_decision(received, all=False)

    def _stop(self, trainer: L.Trainer) -> Interrupted:
        number, step = self._received or signal.SIGTERM, trainer.global_step
        if step == 0:
            again = "nothing is lost: run the same command again, what is prepared is kept"
            return Interrupted(f"stopped before the first of {trainer.max_steps} steps; {again}", number)
        return Interrupted(
            f"stopped after step {step} of {trainer.max_steps}; {how_to_resume(_last(trainer).directory.parent)}",
            number,
        )

    def _give_back(self, *args: Any, **kwargs: Any) -> None:
        """Give the signals back, to Lightning, which gives them back in turn after that."""
        self._at_once = None
        for number, handler in self._replaced.items():
            signal.signal(number, handler)
        self._replaced = {}

    on_train_end = on_exception = _give_back

    def _take_over(self) -> None:
        """Once more where Lightning came in between."""
        if self._received is not None or threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._replaced.setdefault(number, signal.signal(number, self._receive))

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        if self._at_once is not None:
            raise Interrupted(str(self._at_once), number)


def _last(trainer: L.Trainer) -> LastCheckpoint:
    if not (checkpoints := callbacks_of(trainer, LastCheckpoint)):
        raise ConfigError("callbacks.plain.last", "a LastCheckpoint, which stop_on_signal writes with", None)
    return checkpoints[0]
