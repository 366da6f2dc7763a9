"""The Lightning data module: map-style over steps, so that a worker makes whole batches and resuming is a seek."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import lightning as L
from torch.utils.data import DataLoader, Dataset, Sampler

from embedder.bounds import NonNegativeInt, PositiveInt
from embedder.checks import checked
from embedder.data.prepared import PreparedDataset
from embedder.data.records import Records
from embedder.errors import ConfigError, DataError
from embedder.training.collate import Batch, Tokenize, collate
from embedder.training.fresh_negatives import FreshNegatives
from embedder.training.gather import Share
from embedder.training.mixture import Mixture, mixture_weights
from embedder.training.plan import BatchPlan
from embedder.training.sampling import sample_group
from embedder.training.task import Task
from embedder.types import Record


@checked("data")
@dataclass(frozen=True)
class DataSettings:
    """How batches are made.

    Args:
        batch_size: Queries of a global batch, over all devices.
        seed: Of the batch plan and of the sampling of groups.
        num_workers: Processes that make batches ahead of the training step; 0 makes them in place.
    """

    batch_size: PositiveInt
    seed: int
    num_workers: NonNegativeInt = 0
    mixture: Mixture = field(default_factory=Mixture)

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
        self.plan = BatchPlan(sizes, weights, settings.batch_size, settings.seed)
        self._fresh: dict[int, FreshNegatives] = {}
        self._refreshed_every: int | None = None

    def refresh_every(self, n_batches: int) -> None:
        """Make no batch before the negatives are there that come after every `n_batches` batches."""
        self._refreshed_every = n_batches

    def use_negatives(self, fresh: Mapping[int, FreshNegatives]) -> None:
        """Train on these in place of the negatives of the records, from the next batch on; held-out ones stay.

        Args:
            fresh: By place of the data set in `datasets`.
        """
        self._fresh.update(fresh)

    def train_dataloader(self) -> DataLoader[Batch]:
        """All steps of the run as one epoch; after a resume, those that are left."""
        trainer = _require_trainer(self)
        n_steps = trainer.max_steps * trainer.accumulate_grad_batches
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        share = Share(trainer.global_rank, trainer.world_size)
        steps = _StepDataset(
            self.plan, self._train, self.datasets, self._tasks, self._tokenize, self._settings.seed, share, self._fresh
        )
        return self._loader(steps, _StepSampler(n_steps, done, self._refreshed_every))

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        """The held-out records of every data set, each once, in their order."""
        trainer = _require_trainer(self)
        share = Share(trainer.global_rank, trainer.world_size)
        loaders = []
        for dataset in self.datasets:
            records = dataset.records("validation")
            task = self._tasks[dataset.task]
            batches = _OrderedBatches(records, dataset, task, self._tokenize, self._settings, share)
            loaders.append(self._loader(batches, None))
        return loaders

    def _loader(self, dataset: Dataset[Batch], sampler: "Sampler[int] | None") -> DataLoader[Batch]:
        return _PlanLoader(
            dataset,
            batch_size=None,  # an item is a batch
            sampler=sampler,
            num_workers=self._settings.num_workers,
            persistent_workers=False,
            pin_memory=False,
        )


class _PlanLoader(DataLoader[Batch]):
    """A loader that Lightning may resume in the middle, without a warning.

    It keeps nothing of its own: where to go on is told by the trainer's count of batches.
    """

    def __iter__(self) -> Any:
        """Batches in order.

        Workers make batches ahead, so they are started anew for each stretch of steps that has the same negatives: none
        of them makes a batch of the next stretch too early.
        """
        if not isinstance(self.sampler, _StepSampler):
            return super().__iter__()
        self.sampler.begin()
        return (
            batch
            for steps in self.sampler.stretches()
            for batch in DataLoader(self.dataset, batch_size=None, sampler=steps, num_workers=self.num_workers)
        )

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to do."""


class _StepDataset(Dataset[Batch]):
    """Item t is the local part of the batch of step t."""

    def __init__(
        self,
        plan: BatchPlan,
        records: Sequence[Records],
        datasets: Sequence[PreparedDataset],
        tasks: Mapping[str, Task],
        tokenize: Tokenize,
        seed: int,
        share: Share,
        fresh: Mapping[int, FreshNegatives],
    ) -> None:
        self._plan, self._records, self._datasets = plan, records, datasets
        self._tasks, self._tokenize, self._seed, self._share = tasks, tokenize, seed, share
        self._fresh = fresh

    def __getitem__(self, step: int) -> Batch:
        planned = self._plan.batch(step)
        dataset = self._datasets[planned.dataset]
        task = self._tasks[dataset.task]
        groups = []
        for place in self._share(len(planned.records)):
            record = self._record(planned.dataset, planned.records[place])
            generator = random.Random(f"{self._seed}/{step}/{place}")  # noqa: S311  # not for cryptography
            groups.append(sample_group(record, task.sampling, generator))
        return collate(groups, task, dataset.name, step, len(planned.records), self._tokenize)

    def _record(self, dataset: int, position: int) -> Record:
        record = self._records[dataset][position]
        if dataset not in self._fresh:
            return record
        return replace(record, negatives=self._fresh[dataset][position], rewards=None)  # nobody judged them


class _OrderedBatches(Dataset[Batch]):
    """Item i holds the process's part of the i-th run of records; groups are drawn the same way every time."""

    def __init__(
        self,
        records: Records,
        dataset: PreparedDataset,
        task: Task,
        tokenize: Tokenize,
        settings: DataSettings,
        share: Share,
    ) -> None:
        self._records, self._dataset, self._task = records, dataset, task
        self._tokenize, self._settings, self._share = tokenize, settings, share

    def __len__(self) -> int:
        return max(1, len(self._records) // self._settings.batch_size)

    def __getitem__(self, item: int) -> Batch:
        if item >= len(self):
            raise IndexError(item)
        # Runs of like length, none shorter than a batch: a ragged last one would have a loss that is easier.
        start, stop = (len(self._records) * i // len(self) for i in (item, item + 1))
        groups = []
        for place in self._share(stop - start):
            position = start + place
            generator = random.Random(f"{self._settings.seed}/validation/{position}")  # noqa: S311
            groups.append(sample_group(self._records[position], self._task.sampling, generator))
        return collate(groups, self._task, self._dataset.name, item, stop - start, self._tokenize)


class _StepSampler(Sampler[int]):
    """Steps from `start` on. Its length counts those already done too, as Lightning does after a resume."""

    def __init__(self, n_steps: int, start: int, stretch: int | None = None) -> None:
        self._n_steps, self._start, self._stretch = n_steps, start, stretch or max(n_steps, 1)
        self._begun = False

    def begin(self) -> None:
        """Refuse a second epoch: it would train on the steps of the first one again."""
        if self._begun:
            expected = "settings and callbacks under which all steps are one epoch, since the batch plan has no epochs"
            raise ConfigError("trainer", expected, "a second epoch")
        self._begun = True

    def stretches(self) -> Iterator[range]:
        """The steps, cut at the multiples of the stretch."""
        start = self._start
        while start < self._n_steps:
            stop = min(self._n_steps, start - start % self._stretch + self._stretch)
            yield range(start, stop)
            start = stop

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._start, self._n_steps))

    def __len__(self) -> int:
        return self._n_steps


def _check_fits(records: Records, task: Task) -> None:
    """Fail before the first step when the records can never serve the objective."""
    first = records[0]
    if task.objective.needs_rewards and first.rewards is None:
        raise DataError(
            records.path,
            1,
            f"the objective of task {task.name!r} distils rewards, but this record has no 'teacher_scores'",
        )
    if task.objective.needs_positives and not first.positives:
        raise DataError(
            records.path, 1, f"the objective of task {task.name!r} is contrastive, but this record has no 'pos'"
        )


def _require_trainer(module: L.LightningDataModule) -> L.Trainer:
    if module.trainer is None:
        raise RuntimeError("the data module serves a trainer: pass it to trainer.fit")
    return module.trainer
