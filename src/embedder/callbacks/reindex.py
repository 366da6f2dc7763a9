"""Every so many steps: search the corpus with the current weights, and train on the negatives found near a query."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.trainer.states import TrainerFn
from safetensors.torch import save_model

from embedder.callbacks.background import Background, Refreshed, Work, remove_leftovers, snapshot_in, vectors_in
from embedder.callbacks.current_encoder import current_encoder, is_sharded
from embedder.callbacks.last_checkpoint import validation_follows
from embedder.callbacks.loss_guard import LossGuard
from embedder.callbacks.mining import MinedDataset
from embedder.callbacks.of_trainer import callbacks_of, log_metrics
from embedder.callbacks.refresh import Moment, Refresh
from embedder.callbacks.reindex_settings import ReindexSettings, check_interval
from embedder.callbacks.self_paced import SelfPacedRate
from embedder.callbacks.step_vectors import StepVectors
from embedder.callbacks.throughput import off_the_clock
from embedder.errors import ConfigError, TrainingError
from embedder.files import whole_path
from embedder.processes import Processes
from embedder.training.datamodule import RetrieverDataModule
from embedder.training.fresh_negatives import FreshNegatives, NegativeTable, publish, published, read_table
from embedder.training.module import RetrieverModule, require_retriever
from embedder.training.shared_work import SharedWork
from embedder.training.task import MIXED
from embedder.types import Encoder
from embedder.vectors.settings import VectorSettings

logger = logging.getLogger(__name__)


class ReindexCallback(L.Callback):
    """Rebuild the index every so many steps and hand fresh hard negatives to the data module.

    Each process encodes its share of the corpus and searches for its share of the queries; the results are shared, so
    that every process trains on the same negatives, from the next step on. They lie in `directory`, a folder for each
    time; a checkpoint names its folder with a digest of the contents. Of tasks that distil rewards the LLM judges them.

    With `mode: async` a process of its own does all this with a snapshot of the weights, while training goes on; the
    tables take effect at once, after the step in which they are ready.

    Source: Xiong et al., ICLR 2021 (ANCE, arXiv 2007.00808), there asynchronous.

    Args:
        settings: When and how.
        refresh: Finds negatives and lets the LLM judge them.
        open_encoder: Makes an encoder with the weights of a file, in the background.
        directory: Where the negatives go.
        earlier: Where those of the run lie that this one resumes, if it had another folder.
    """

    def __init__(
        self,
        settings: ReindexSettings,
        refresh: Refresh,
        open_encoder: Callable[[Path], Encoder],
        directory: Path,
        earlier: Path | None = None,
    ) -> None:
        self._settings, self._refresher, self._open_encoder = settings, refresh, open_encoder
        self._directory, self._earlier = directory, earlier
        self._parts: list[MinedDataset] = []
        self._every = 0
        self._now: dict[str, FreshNegatives] = {}
        self._begun: int | None = None
        """The step whose weights a refresh in the background has."""
        self._background: Background | None = None
        self._done = -1
        self._state: dict[str, Any] = {"step": 0, "folder": None, "digest": None}
        self._validated: dict[str, float] = {}
        """Score of each task at the last validation of this fit, if there was one since the last refresh."""
        self._before: dict[str, float] = {}
        """The same when the negatives were last made, or before the first step."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Fail before the first step when the new negatives could never be read."""
        data, tasks = _data_module(trainer), require_retriever(pl_module).tasks
        chosen = self._settings.check(tasks, trainer)
        if self._settings.mode == "async" and (is_sharded(trainer) or trainer.num_nodes > 1):
            expected = "sync where the weights are sharded (FSDP2) or several machines train"
            raise ConfigError("callbacks.reindex.mode", expected, "async")
        self._every = self._interval(trainer, data)
        check_interval(self._settings, self._every, trainer.max_steps)
        self._parts = [
            MinedDataset.of(index, dataset) for index, dataset in enumerate(data.datasets) if dataset.task in chosen
        ]
        self._directory = Path(trainer.strategy.broadcast(str(self._directory)))
        if trainer.is_global_zero:
            remove_leftovers(self._directory)  # a run that was killed has left them
        if stage == "fit":  # the trainer knows what it validated before, in whichever processes that was (ddp_spawn)
            self._before = _ndcg(trainer, tasks)
            # In the background it is opened again: this process keeps nothing of it.
            (self._refresher if self._settings.mode == "sync" else replace(self._refresher)).open(self._parts, tasks)

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
            self._step_done(trainer, require_retriever(pl_module))

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the scores, and make new negatives if it is time."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._validated |= _ndcg(trainer, require_retriever(pl_module).tasks)
            self._step_done(trainer, require_retriever(pl_module))

    def _step_done(self, trainer: L.Trainer, module: RetrieverModule) -> None:
        step = trainer.global_step
        if self._begun is not None and step != self._done:  # not between the batches of one step
            self._take_if_ready(trainer)
        self._done = step
        if step % self._every or not max(self._state["step"], self._begun or 0) < step < trainer.max_steps:
            return
        if self._settings.mode == "sync":
            self._refresh(trainer, module)
        elif self._begun is None:
            self._begin(trainer, module)
        elif trainer.is_global_zero:
            logger.info("after %d steps the refresh of step %d is still under way", step, self._begun)

    def _refresh(self, trainer: L.Trainer, module: RetrieverModule) -> None:
        begin, step = time.monotonic(), trainer.global_step
        encoder, together = current_encoder(trainer, module), is_sharded(trainer)
        shared, moment = SharedWork(Processes.here(), module.device), self._moment(trainer)
        tables, values = self._refresher.tables(self._parts, module.tasks, encoder, shared, moment, together=together)
        folder, digest = self._publish(trainer, step, tables)
        self._take(trainer, Refreshed(step, folder, digest, values | {"reindex/seconds": time.monotonic() - begin}))
        off_the_clock(trainer)

    def _begin(self, trainer: L.Trainer, module: RetrieverModule) -> None:
        """Start a refresh in the background, from the first process of the run."""
        self._begun = trainer.global_step
        made_by, vectors = StepVectors.of(trainer).at(trainer, vectors_in(self._directory))

        def begin() -> None:
            if trainer.is_global_zero:
                self._background = self._begun_with(trainer, module, made_by, vectors)

        Processes.here().all_do(begin)

    def _begun_with(
        self, trainer: L.Trainer, module: RetrieverModule, made_by: dict[str, Any], vectors: VectorSettings
    ) -> Background:
        self._directory.mkdir(parents=True, exist_ok=True)
        snapshot = snapshot_in(self._directory)
        with whole_path(snapshot) as partial:
            save_model(module.encoder, str(partial))
        datasets = [(part.index, part.dataset) for part in self._parts]
        work = Work(
            self._open_encoder,
            snapshot,
            self._refresher,
            datasets,
            module.tasks,
            self._moment(trainer),
            self._directory,
            trainer.precision_plugin,
            made_by,
            vectors,
        )
        return Background(work, self._directory / "background.log")

    def _take_if_ready(self, trainer: L.Trainer) -> None:
        """All processes take over the negatives of the background after the same step."""
        made: Refreshed | TrainingError | None = None
        if self._background is not None:
            try:
                made = self._background.result()
            except TrainingError as error:
                made = error
        made = trainer.strategy.broadcast(made)
        if isinstance(made, TrainingError):
            raise made
        if made is not None:
            self._begun = self._background = None
            staleness = trainer.global_step - made.step
            if trainer.is_global_zero:
                logger.info("the negatives of step %d are trained on from now, %d steps later", made.step, staleness)
            self._take(trainer, replace(made, values={**made.values, "reindex/staleness": staleness}))

    def _moment(self, trainer: L.Trainer) -> Moment:
        return Moment(trainer.global_step, _data_module(trainer).plan.seed, self._now)

    def _take(self, trainer: L.Trainer, made: Refreshed) -> None:
        """Train on with new tables."""
        self._state = {"step": made.step, "folder": made.folder, "digest": made.digest}
        self._use(trainer, self._directory / made.folder, made.digest)
        tasks = {part.dataset.task for part in self._parts}
        for guard in callbacks_of(trainer, LossGuard):
            guard.start_over({*tasks, MIXED})  # harder negatives, larger losses
        for rate in callbacks_of(trainer, SelfPacedRate):
            rate.start_over({*tasks, MIXED})
        values = dict(made.values)
        for task in tasks & self._validated.keys() & self._before.keys():
            values[f"reindex/{task}/val_gain"] = self._validated[task] - self._before[task]
        self._before, self._validated = self._before | self._validated, {}
        log_metrics(trainer, values, trainer.global_step - 1)

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        """A refresh that no step would see ends with the run."""
        if self._background is not None:
            self._background.stop()

    on_exception = on_train_end

    def _publish(self, trainer: L.Trainer, step: int, tables: Mapping[str, NegativeTable]) -> tuple[str, str]:
        """Write the tables once a machine."""
        writes = trainer.local_rank == 0
        return Processes.here().all_do(lambda: publish(self._directory, step, tables) if writes else ("", ""))[0]

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
