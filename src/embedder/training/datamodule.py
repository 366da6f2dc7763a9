"""The Lightning data module: its items are steps, so a worker makes whole batches and a run resumes at its step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightning as L
from torch.utils.data import DataLoader, Dataset, Sampler

from embedder.bounds import NonNegativeInt, PositiveInt, Seed
from embedder.checks import checked
from embedder.data.prepared import PreparedDataset
from embedder.data.records import Records
from embedder.errors import ConfigError, DataError
from embedder.processes import Processes
from embedder.training.collate import Batch, Tokenize
from embedder.training.fresh_negatives import FreshNegatives
from embedder.training.loader import PlanLoader, StepSampler
from embedder.training.mixture import Mixture, mixture_weights
from embedder.training.plan import BatchPlan
from embedder.training.steps import StepBatches, ValidationBatches
from embedder.training.task import Task


@checked("data")
@dataclass(frozen=True)
class DataSettings:
    """How batches are made.

    Args:
        batch_size: Queries of a global batch, over all devices.
        seed: Of the batch plan and of the sampling of groups.
        num_workers: Processes that prepare batches ahead; 0 prepares them in the training process.
        mixed_batches: Whether a batch draws its queries over all tasks, so that keys of other tasks are negatives too;
            else it has those of one data set.
    """

    batch_size: PositiveInt
    seed: Seed
    num_workers: NonNegativeInt = 0
    mixture: Mixture = field(default_factory=Mixture)
    mixed_batches: bool = False

    def check(self, n_processes: int) -> None:
        """Refuse a batch that is smaller than the number of processes that share it, before any of them starts."""
        if self.batch_size < n_processes:
            raise ConfigError(
                "data.batch_size", f"a query or more for each of {n_processes} processes", self.batch_size
            )


class RetrieverDataModule(L.LightningDataModule):
    """Serves the batch plan of a task mix.

    Args:
        datasets: Prepared data sets; several may belong to one task and then share its weight by their size.
        tasks: The tasks of the mix, by name.
        tokenize: The encoder's tokenisation.
        settings: Batch size, seed, workers.
    """

    def __init__(
        self, datasets: Sequence[PreparedDataset], tasks: Mapping[str, Task], tokenize: Tokenize, settings: DataSettings
    ) -> None:
        super().__init__()
        self.datasets = list(datasets)
        self._tasks = tasks
        self._tokenize = tokenize
        self._settings = settings
        self._train = [dataset.records("train") for dataset in self.datasets]
        for dataset, records in zip(self.datasets, self._train, strict=True):
            _check_fits(records, tasks[dataset.task])
        sizes = [len(records) for records in self._train]
        names = [dataset.task for dataset in self.datasets]
        weights = mixture_weights(sizes, names, {name: task.weight for name, task in tasks.items()}, settings.mixture)
        self.plan = BatchPlan(sizes, weights, settings.batch_size, settings.seed, settings.mixed_batches)
        self._fresh: dict[int, FreshNegatives] = {}

    def use_negatives(self, fresh: Mapping[int, FreshNegatives]) -> None:
        """Train on these in place of the negatives of the records, from the next batch on; those of validation stay.

        Args:
            fresh: By position of the data set in `datasets`.
        """
        self._fresh.update(fresh)

    def train_dataloader(self) -> DataLoader[Batch]:
        """All steps of the run as one epoch; after a resume, those that are left."""
        trainer = _require_trainer(self)
        n_steps = trainer.max_steps * trainer.accumulate_grad_batches
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        processes = Processes(trainer.global_rank, trainer.world_size)
        seed, fresh = self._settings.seed, self._fresh
        steps = StepBatches(self.plan, self._train, self.datasets, self._tasks, self._tokenize, seed, processes, fresh)
        return self._loader(steps, StepSampler(n_steps, done))

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        """The validation records of every data set, each once, in their order."""
        trainer = _require_trainer(self)
        processes = Processes(trainer.global_rank, trainer.world_size)
        loaders = []
        for dataset in self.datasets:
            batches = ValidationBatches(
                dataset.records("validation"),
                dataset.name,
                self._tasks[dataset.task],
                self._tokenize,
                self._settings.batch_size,
                self._settings.seed,
                processes,
            )
            loaders.append(self._loader(batches, None))
        return loaders

    def _loader(self, dataset: Dataset[Any], sampler: "Sampler[int] | None") -> DataLoader[Batch]:
        return PlanLoader(
            dataset,
            batch_size=None,  # an item is a batch
            sampler=sampler,
            num_workers=self._settings.num_workers,
            persistent_workers=False,
            pin_memory=False,
        )


def _check_fits(records: Records, task: Task) -> None:
    """Fail before the first step when the records can never serve the objective."""
    first = records[0]
    if (missing := task.missing(labelled=bool(first.positives), judged=first.rewards is not None)) is not None:
        raise DataError(records.path, 1, missing)


def _require_trainer(module: L.LightningDataModule) -> L.Trainer:
    if module.trainer is None:
        raise RuntimeError("the data module serves a trainer: pass it to trainer.fit")
    return module.trainer
