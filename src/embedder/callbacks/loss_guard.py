"""Stop a run whose loss is NaN or diverges, before the weights change, and name the batch."""

import math
from collections.abc import Iterable
from typing import Annotated, Any

import lightning as L

from embedder.bounds import Bound, PositiveInt, ShareBelowOne
from embedder.checks import checked
from embedder.errors import TrainingError
from embedder.training.collate import Batch, MixedBatch
from embedder.training.module import require_retriever

_SHOWN = 8  # query ids named in the message


@checked("callbacks.plain.loss_guard")
class LossGuard(L.Callback):
    """Looks at the loss of every step, over all processes, before its gradient is taken: the weights are still good.

    Args:
        diverged_at: A task diverges when its smoothed loss exceeds so many times the mean of its first losses: the
            model is then worse than before training. Of several losses, each is smoothed over the batches that it
            applies to, and their sums are compared.
        warmup: How many first losses of a task are averaged.
        smoothing: Weight of the past in the moving average.

    Raises:
        TrainingError: The loss is NaN or infinite, or diverges.
    """

    def __init__(
        self,
        diverged_at: Annotated[float, Bound("a number above 1", above=1)] = 3.0,
        warmup: PositiveInt = 20,
        smoothing: ShareBelowOne = 0.9,
    ) -> None:
        self._diverged_at, self._warmup, self._smoothing = diverged_at, warmup, smoothing
        self._first: dict[str, dict[str, list[float]]] = {}  # by task and loss
        self._smoothed: dict[str, dict[str, float]] = {}
        self._batch: Batch | MixedBatch  # of the step in progress

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Batch | MixedBatch, *_: Any
    ) -> None:
        """Keep the batch, to name it."""
        self._batch = batch

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Any) -> None:
        """Judge the loss."""
        batch, task, module = self._batch, self._batch.task, require_retriever(pl_module)
        value = float(module.step_loss)
        if not math.isfinite(value):
            raise TrainingError(_describe(batch, f"the loss is {value}"))
        first, smoothed = self._first.setdefault(task, {}), self._smoothed.setdefault(task, {})
        for name, loss in module.step_losses.items():
            part = float(loss)
            losses = first.setdefault(name, [])
            if len(losses) < self._warmup:
                losses.append(part)
            smoothed[name] = self._smoothing * smoothed.get(name, part) + (1 - self._smoothing) * part
        known = {name: losses[: self._warmup] for name, losses in first.items() if len(losses) >= self._warmup}
        start, now = sum(sum(losses) / self._warmup for losses in known.values()), sum(smoothed[name] for name in known)
        if now > self._diverged_at * start:
            about = f"the smoothed loss is {now:.4g}, {self._diverged_at:g} times that of the first"
            raise TrainingError(_describe(batch, f"{about} {self._warmup} batches ({start:.4g})"))

    def start_over(self, tasks: Iterable[str]) -> None:
        """Forget the losses of some tasks, whose next ones will be of another size."""
        for task in tasks:
            self._first.pop(task, None)
            self._smoothed.pop(task, None)

    def state_dict(self) -> dict[str, Any]:
        """The losses that it compares with."""
        return {"first": self._first, "smoothed": self._smoothed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them over."""
        self._first, self._smoothed = state_dict["first"], state_dict["smoothed"]


def _describe(batch: Batch | MixedBatch, what: str) -> str:
    ids = batch.query_ids
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return (
        f"step {batch.step}, {batch.task}/{batch.dataset}: {what}. Queries of the batch on this process: "
        f"{', '.join(ids[:_SHOWN])}{more}. A lower encoder.lr, or bf16-mixed in place of 16-mixed, often helps"
    )
