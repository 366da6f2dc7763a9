"""Set the learning rate of every step by how far the loss of its task has fallen."""

from collections.abc import Iterable
from typing import Any

import lightning as L

from embedder.training.collate import Batch, MixedBatch
from embedder.training.module import require_retriever
from embedder.training.self_paced import SelfPace


class SelfPacedRate(L.Callback):
    """Multiplies the scheduled rate by the factor of the step's task, and logs it as `train/<task>/rate_factor`.

    The rate, not the loss: Adam divides a step by the size of its gradients, so a scaled loss would change nothing.
    Where several batches make one step, the mean of their factors counts. A run with one task keeps its schedule.

    Args:
        settings: Of `SelfPace`.
    """

    def __init__(self, **settings: Any) -> None:
        self._pace = SelfPace(**settings)
        self._factors: list[float] = []
        self._step = -1

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Batch | MixedBatch, *_: Any
    ) -> None:
        """Set the rate; the scheduler computes its next one from its own numbers, so nothing compounds."""
        if trainer.global_step != self._step:  # the last batch ended a step
            self._step = trainer.global_step
            self._factors.clear()
        if len(require_retriever(pl_module).tasks) == 1:
            return
        self._factors.append(self._pace.factor(batch.task))
        mean = sum(self._factors) / len(self._factors)
        for config in trainer.lr_scheduler_configs:
            optimizer = config.scheduler.optimizer
            for group, rate in zip(optimizer.param_groups, config.scheduler.get_last_lr(), strict=True):
                group["lr"] = float(rate) * mean

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch | MixedBatch, batch_idx: int
    ) -> None:
        """Learn from the losses."""
        module = require_retriever(pl_module)
        if len(module.tasks) == 1:
            return
        module.add_step_value(f"train/{batch.task}/rate_factor", self._factors[-1])
        losses = {name: float(loss) for name, loss in module.step_losses.items()}
        self._pace.observe(batch.task, losses, trainer.global_step)

    def start_over(self, tasks: Iterable[str]) -> None:
        """Take new references for some tasks from their next losses, which will be of another size."""
        for task in tasks:
            self._pace.start_over(task)

    def state_dict(self) -> dict[str, Any]:
        """Losses and references of all tasks."""
        return self._pace.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them over."""
        self._pace.load_state_dict(state_dict)
