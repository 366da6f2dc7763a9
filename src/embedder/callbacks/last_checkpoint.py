"""A checkpoint to go on from: always the newest weights, whatever the metric says."""

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from embedder.errors import ConfigError


class LastCheckpoint(Checkpoint):
    """Writes `last.ckpt` every so many steps, or after each validation, and at the last step however a run ends.

    Lightning's own `save_last` writes only when a checkpoint that is kept for its metric is written too: after a best
    score at step 100, `last.ckpt` stays at step 100 for ever. As a `Checkpoint` it comes after all other callbacks,
    which have then taken in the step.

    Args:
        dirpath: Where it is written.
        every_n_steps: Optimizer steps between two of them; None for after each validation.
    """

    def __init__(self, dirpath: str, every_n_steps: int | None = None) -> None:
        if every_n_steps is not None and (type(every_n_steps) is not int or every_n_steps < 1):
            raise ConfigError("callbacks.plain.last.every_n_steps", "1 or more, or null", every_n_steps)
        self._path = Path(dirpath) / "last.ckpt"
        self._every_n_steps = every_n_steps
        self._saved = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The step that a run goes on from is written already."""
        self._saved = trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Write it if it is time; on all processes, since strategies may gather the weights."""
        if not validation_follows(trainer):
            self._save_if_due(trainer, every=self._every_n_steps)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write it after the validation of its step, whose scores it then holds."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._save_if_due(trainer, every=self._every_n_steps or 1)

    def _save_if_due(self, trainer: L.Trainer, every: int | None) -> None:
        step = trainer.global_step
        if (every is not None and step % every == 0) or step == trainer.max_steps or trainer.should_stop:
            self.save(trainer)

    def save(self, trainer: L.Trainer) -> Path:
        """Write it now, unless this step has been written already (several batches may make one step).

        Returns:
            Where it is.
        """
        if trainer.global_step != self._saved:
            self._saved = trainer.global_step
            partial = self._path.with_name(f".{self._path.name}.part")
            trainer.save_checkpoint(partial)
            if trainer.is_global_zero:
                partial.replace(self._path)  # whole or not at all, whatever disk temporary files lie on
        return self._path


def validation_follows(trainer: L.Trainer) -> bool:
    """Whether the batch that ends now is validated before the next one.

    A checkpoint written before that validation would go on after it: Lightning takes a due validation for done.
    """
    if not trainer.enable_validation:
        return False
    interval = trainer.val_check_batch  # None where validations go by time
    return trainer.should_stop or (interval is not None and (trainer.fit_loop.total_batch_idx + 1) % interval == 0)
