"""Every so many steps: search the corpus with the current weights, and train on the negatives found near a query."""

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.trainer.states import TrainerFn

from embedder.callbacks.current_encoder import current_encoder, is_sharded
from embedder.callbacks.last_checkpoint import validation_follows
from embedder.callbacks.loss_guard import LossGuard
from embedder.callbacks.mining import MinedDataset
from embedder.callbacks.of_trainer import callbacks_of, log_metrics
from embedder.callbacks.processes import Processes
from embedder.callbacks.refresh import Moment, Refresh
from embedder.callbacks.reindex_settings import ReindexSettings, check_interval
from embedder.callbacks.self_paced import SelfPacedRate
from embedder.callbacks.throughput import off_the_clock
from embedder.training.datamodule import RetrieverDataModule
from embedder.training.fresh_negatives import FreshNegatives, NegativeTable, publish, published, read_table
from embedder.training.module import RetrieverModule, require_retriever

logger = logging.getLogger(__name__)


class ReindexCallback(L.Callback):
    """Rebuild the index every so many steps and hand fresh hard negatives to the data module.

    Each process encodes its share of the corpus and searches for its share of the queries; the results are shared, so
    that every process trains on the same negatives, from the next step on. They lie in `directory`, a folder for each
    time; a checkpoint names its folder with a digest of the contents. Of tasks that distil rewards the LLM judges them.

    Source: Xiong et al., ICLR 2021 (ANCE, arXiv 2007.00808), here between two steps and not beside them.

    Args:
        settings: When and how.
        refresh: Finds negatives and lets the LLM judge them.
        directory: Where the negatives go.
        earlier: Where those of the run lie that this one resumes, if it had another folder.
    """

    def __init__(
        self,
        settings: ReindexSettings,
        refresh: Refresh,
        directory: Path,
        earlier: Path | None = None,
    ) -> None:
        self._settings, self._refresher = settings, refresh
        self._directory, self._earlier = directory, earlier
        self._parts: list[MinedDataset] = []
        self._every = 0
        self._now: dict[str, FreshNegatives] = {}
        self._state: dict[str, Any] = {"step": 0, "folder": None, "digest": None}
        self._validated: dict[str, float] = {}
        """Score of each task at the last validation of this fit, if there was one since the last refresh."""
        self._before: dict[str, float] = {}
        """The same when the negatives were last made, or before the first step."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Fail before the first step when the new negatives could never be read."""
        data, tasks = _data_module(trainer), require_retriever(pl_module).tasks
        chosen = self._settings.check(tasks, trainer.max_steps)
        self._every = self._interval(trainer, data)
        check_interval("every_n_epochs", self._every, trainer.max_steps)
        self._parts = [
            MinedDataset.of(index, dataset) for index, dataset in enumerate(data.datasets) if dataset.task in chosen
        ]
        data.refresh_every(self._every * trainer.accumulate_grad_batches)
        self._directory = Path(trainer.strategy.broadcast(str(self._directory)))
        if stage == "fit":  # the trainer knows what it validated before, in whichever processes that was (ddp_spawn)
            self._before = _ndcg(trainer, tasks)

    def _interval(self, trainer: L.Trainer, data: RetrieverDataModule) -> int:
        """Optimizer steps between two refreshes."""
        if self._settings.every_n_steps is not None:
            return self._settings.every_n_steps
        records = sum(data.plan.sizes) * float(self._settings.every_n_epochs or 0)
        return max(1, round(records / (data.plan.batch_size * trainer.accumulate_grad_batches)))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Train on with the negatives of the checkpoint."""
        if self._state["folder"] is None:
            return
        folder, digest = self._directory / self._state["folder"], self._state["digest"]
        if not folder.is_dir() and self._earlier is not None:
            paths = published(self._earlier / folder.name, digest)
            self._publish(trainer, self._state["step"], {name: read_table(path) for name, path in paths.items()})
        self._use(trainer, folder, digest)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any, **kwargs: Any) -> None:
        """Make new negatives if it is time, unless the step is validated first."""
        if not validation_follows(trainer):
            self._refresh_if_due(trainer, pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the scores, and make new negatives if it is time."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._validated |= _ndcg(trainer, require_retriever(pl_module).tasks)
            self._refresh_if_due(trainer, pl_module)

    def _refresh_if_due(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        step = trainer.global_step
        if step % self._every == 0 and self._state["step"] < step < trainer.max_steps:
            self._refresh(trainer, require_retriever(pl_module))

    def _refresh(self, trainer: L.Trainer, module: RetrieverModule) -> None:
        begin, step = time.monotonic(), trainer.global_step
        encoder, together = current_encoder(trainer, module), is_sharded(trainer)
        processes = Processes(trainer.global_rank, module.device)
        moment = Moment(step, _data_module(trainer).plan.seed, self._now)
        tables, values = self._refresher.tables(
            self._parts, module.tasks, encoder, processes, moment, together=together
        )
        folder, digest = self._publish(trainer, step, tables)
        self._state = {"step": step, "folder": folder, "digest": digest}
        self._use(trainer, self._directory / folder, digest)
        tasks = {part.dataset.task for part in self._parts}
        for guard in callbacks_of(trainer, LossGuard):
            guard.start_over(tasks)  # harder negatives, larger losses
        for rate in callbacks_of(trainer, SelfPacedRate):
            rate.start_over(tasks)
        for task in tasks & self._validated.keys() & self._before.keys():
            values[f"reindex/{task}/val_gain"] = self._validated[task] - self._before[task]
        self._before, self._validated = self._before | self._validated, {}
        values["reindex/seconds"] = time.monotonic() - begin
        log_metrics(trainer, values, step - 1)
        off_the_clock(trainer)

    def _publish(self, trainer: L.Trainer, step: int, tables: Mapping[str, NegativeTable]) -> tuple[str, str]:
        """Write the tables once a machine."""
        written = publish(self._directory, step, tables) if trainer.local_rank == 0 else ("", "")
        named = trainer.strategy.broadcast(written)
        trainer.strategy.barrier("reindex")
        return named

    def _use(self, trainer: L.Trainer, folder: Path, digest: str) -> None:
        paths = published(folder, digest)
        self._now = {part.name: FreshNegatives(paths[part.name], part.corpus) for part in self._parts}
        _data_module(trainer).use_negatives({part.index: self._now[part.name] for part in self._parts})

    def state_dict(self) -> dict[str, Any]:
        """Which negatives are trained on, and the scores that the next ones are compared with."""
        return {**self._state, "validated": dict(self._validated), "before": dict(self._before)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them over."""
        self._state = {name: state_dict[name] for name in ("step", "folder", "digest")}
        self._validated, self._before = dict(state_dict["validated"]), dict(state_dict["before"])


def _ndcg(trainer: L.Trainer, tasks: Iterable[str]) -> dict[str, float]:
    """Score of each task at the last validation, if there was one."""
    scores = trainer.callback_metrics.items()
    return {task: float(value) for task in tasks for name, value in scores if name.startswith(f"val/{task}/ndcg@")}


def _data_module(trainer: L.Trainer) -> RetrieverDataModule:
    data = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
    if not isinstance(data, RetrieverDataModule):
        raise TypeError(f"this callback works with RetrieverDataModule, not with {type(data).__name__}")
    return data
