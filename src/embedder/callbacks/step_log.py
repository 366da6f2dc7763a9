"""Write what training steps log: means over the batches that had a value, so that the curve of a task is its own."""

from typing import Any

import lightning as L

from embedder.callbacks.of_trainer import log_metrics
from embedder.training.module import require_retriever


class StepLogWriter(L.Callback):
    """Hands the means of `RetrieverModule.step_values` to the loggers every `trainer.log_every_n_steps` steps.

    Lightning's own `log` repeats the last value of a name at every step that has none: with one task a batch, the curve
    of a task would be stairs, and a rare task could be missing from it. Comes after the callbacks that add values.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._step = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """What a resumed run had collected is still to be written."""
        require_retriever(pl_module).step_values.update({name: [*values] for name, values in self._values.items()})
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any, **kwargs: Any) -> None:
        """Write if a step is done and it is time."""
        collected = require_retriever(pl_module).step_values
        for values in collected.values():
            values[:] = map(float, values)  # in place, so that each tensor is waited for once
        self._values = {name: [float(value) for value in values] for name, values in collected.items()}
        if trainer.global_step == self._step:  # further batches belong to this step
            return
        self._step = trainer.global_step
        interval = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if self._step == trainer.max_steps or (interval and self._step % interval == 0):
            means = {name: sum(values) / len(values) for name, values in self._values.items()}
            log_metrics(trainer, means, self._step - 1)
            collected.clear()
            self._values = {}

    def state_dict(self) -> dict[str, Any]:
        """What is collected and not yet written."""
        return dict(self._values)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it over."""
        self._values = dict(state_dict)
