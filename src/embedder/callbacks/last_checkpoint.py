"""A checkpoint to resume from: always the newest weights, whatever the metric says."""

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from embedder.bounds import PositiveInt
from embedder.callbacks.of_trainer import callbacks_of
from embedder.callbacks.retrieval_eval import RetrievalEvalCallback
from embedder.checks import checked
from embedder.files import whole_path

_LONG_SECONDS = 10.0
"""A validation that takes longer than that is not waited for where a job gets 30 seconds to end."""


@checked("callbacks.plain.last")
class LastCheckpoint(Checkpoint):
    """Writes `last.ckpt` every so many steps, or after each validation, and at the last step however a run ends.

    Lightning's own `save_last` writes only when a checkpoint that is kept for its metric is written too: after a best
    score at step 100, `last.ckpt` stays at step 100 for ever. As a `Checkpoint` it comes after all other callbacks,
    which have then taken in the step.

    Before a long validation it is written too, so that the run may end at any time in it. Lightning takes the
    validation of a checkpoint's step for done: what is still due stands in the state, and a resumed run does it.

    Args:
        dirpath: Where it is written.
        every_n_steps: Optimizer steps between two of them; None for after each validation.
    """

    def __init__(self, dirpath: str, every_n_steps: PositiveInt | None = None) -> None:
        self._path = Path(dirpath) / "last.ckpt"
        self._every_n_steps = every_n_steps
        self._saved = 0
        self._due: dict[str, float] | None = None
        """The scores so far, while the validation of the step that is written is still due."""
        self._max_steps: int | None = None

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Lightning does nothing after the last step: let it begin where the validation of that step is due."""
        state = checkpoint["callbacks"].get(self.state_key, {})
        if state.get("due") is not None and checkpoint["global_step"] == trainer.max_steps:
            self._max_steps = trainer.max_steps
            trainer.fit_loop.epoch_loop.max_steps += 1

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The step that a run resumes from is written already; its validation may be due."""
        self._saved = trainer.global_step
        if self._max_steps is not None:
            trainer.fit_loop.epoch_loop.max_steps, self._max_steps = self._max_steps, None
        if self._due is not None:
            self._saved = -1  # in this folder
            trainer.callback_metrics.update({name: torch.tensor(value) for name, value in self._due.items()})
            _validate(trainer)

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Write it if it is time; on all processes, since strategies may gather the weights."""
        if not validation_follows(trainer):
            self._save_if_due(trainer, every=self._every_n_steps)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write it before a validation that takes long."""
        is_long = any((one.seconds or 0.0) > _LONG_SECONDS for one in callbacks_of(trainer, RetrievalEvalCallback))
        if trainer.state.fn == TrainerFn.FITTING and is_long:
            self.save_before_validation(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write it after the validation of its step, whose scores it then holds."""
        if trainer.state.fn == TrainerFn.FITTING:
            if self._due is not None:  # what is written says that this one is to be done
                self._due, self._saved = None, -1
                self.save(trainer)
            self._save_if_due(trainer, every=self._every_n_steps or 1)

    def _save_if_due(self, trainer: L.Trainer, every: int | None) -> None:
        step = trainer.global_step
        if (every is not None and step % every == 0) or step == trainer.max_steps or trainer.should_stop:
            self.save(trainer)

    @property
    def directory(self) -> Path:
        """Where it is."""
        return self._path.parent

    def is_written(self, trainer: L.Trainer) -> bool:
        """Whether a run that ends now is resumed from this step."""
        return self._saved == trainer.global_step

    def save_before_validation(self, trainer: L.Trainer) -> None:
        """Write it before the validation of its step, unless it has been."""
        if self._due is None:
            self._due = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Write it now, unless this step has been written already (several batches may make one step)."""
        if trainer.global_step != self._saved:
            self._saved = trainer.global_step
            if trainer.is_global_zero:
                with whole_path(self._path) as partial:  # whatever disk temporary files lie on
                    trainer.save_checkpoint(partial)
            else:
                trainer.save_checkpoint(self._path)  # gives its part of the weights, and writes nothing

    def state_dict(self) -> dict[str, Any]:
        """Whether the validation of the step is still due."""
        return {"due": self._due}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state over."""
        self._due = state_dict["due"]


def _validate(trainer: L.Trainer) -> None:
    """Run the validation that is due, as Lightning's loop over steps does."""
    loop = trainer.fit_loop.epoch_loop.val_loop
    loop.restarting = False  # from its first batch
    trainer.validating = True
    loop.run()
    trainer.training = True


def validation_follows(trainer: L.Trainer) -> bool:
    """Whether the batch that ends now is validated before the next one.

    A checkpoint written before that validation would be resumed after it: Lightning takes a due validation for done.
    """
    if not trainer.enable_validation:
        return False
    interval = trainer.val_check_batch  # None where validations go by time
    return trainer.should_stop or (interval is not None and (trainer.fit_loop.total_batch_idx + 1) % interval == 0)
