"""What callbacks ask of the trainer: other callbacks by their class, and all of its loggers."""

from collections.abc import Mapping
from typing import TypeVar

import lightning as L

Kind = TypeVar("Kind", bound=L.Callback)


def callbacks_of(trainer: L.Trainer, kind: type[Kind]) -> list[Kind]:
    """The trainer's callbacks of a class, in their order."""
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning's own attribute
    return [callback for callback in callbacks if isinstance(callback, kind)]


def log_metrics(trainer: L.Trainer, values: Mapping[str, float], step: int) -> None:
    """Write values to every logger of the run.

    Args:
        trainer: Has the loggers.
        values: By name.
        step: From 0, as Lightning numbers steps: what belongs to the step that `trainer.global_step` has just counted
            is logged at one less.
    """
    for logger in trainer.loggers:
        logger.log_metrics(dict(values), step=step)
