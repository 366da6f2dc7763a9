"""The batches of training and of validation as items of a data set, so that a worker makes whole batches."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch.utils.data import Dataset

from embedder.data.prepared import PreparedDataset
from embedder.data.records import Records
from embedder.processes import Processes
from embedder.training.collate import Batch, MixedBatch, Tokenize, collate
from embedder.training.fresh_negatives import FreshNegatives
from embedder.training.gather import rows_of
from embedder.training.plan import BatchPlan, PlannedBatch
from embedder.training.sampling import sample_group
from embedder.training.task import Task
from embedder.types import Record


@dataclass(frozen=True)
class StepBatches(Dataset[Batch | MixedBatch]):
    """Item t is the process's part of the batch of step t.

    Args:
        plan: Which records a step takes.
        records: Of each data set, in the order of the plan.
        datasets: The same data sets.
        tasks: By name.
        tokenize: The encoder's tokenisation.
        seed: Of the groups that are drawn.
        processes: Those of the run, each of which makes its part of a batch.
        fresh: Negatives that training found, by position of the data set; they take the place of those of its records
            from the moment on that they are here.
    """

    plan: BatchPlan
    records: Sequence[Records]
    datasets: Sequence[PreparedDataset]
    tasks: Mapping[str, Task]
    tokenize: Tokenize
    seed: int
    processes: Processes
    fresh: Mapping[int, FreshNegatives]

    @property
    def negatives(self) -> dict[int, Path]:
        """Where the negatives lie that a batch has now, by position of the data set."""
        return {position: fresh.path for position, fresh in self.fresh.items()}

    def __getitem__(self, step: int) -> Batch | MixedBatch:
        parts, first = [], 0
        for planned in self.plan.parts(step):
            parts.append(self._part(planned, first))
            first += len(planned.records)
        return MixedBatch(tuple(parts)) if self.plan.mixed else parts[0]

    def _part(self, planned: PlannedBatch, first: int) -> Batch:
        """The process's share of what a step takes of one data set, whose first query has this number in the step."""
        dataset = self.datasets[planned.dataset]
        task = self.tasks[dataset.task]
        groups = []
        for position in rows_of(self.processes, len(planned.records)):
            record = self._record(planned.dataset, planned.records[position])
            generator = random.Random(f"{self.seed}/{planned.step}/{first + position}")  # noqa: S311  # not for cryptography
            groups.append(sample_group(record, task.sampling, generator))
        return collate(groups, task, dataset.name, planned.step, len(planned.records), self.tokenize)

    def _record(self, dataset: int, position: int) -> Record:
        record = self.records[dataset][position]
        return self.fresh[dataset].of(position, record) if dataset in self.fresh else record


@dataclass(frozen=True)
class ValidationBatches(Dataset[Batch]):
    """Item i is the process's part of the i-th run of validation records; groups are the same every time.

    Args:
        records: Of validation.
        name: Of the data set.
        task: Its task.
        tokenize: The encoder's tokenisation.
        batch_size: Queries of a run, or some more.
        seed: Of the groups that are drawn.
        processes: Those of the run, each of which makes its part of a batch.
    """

    records: Records
    name: str
    task: Task
    tokenize: Tokenize
    batch_size: int
    seed: int
    processes: Processes

    def __len__(self) -> int:
        return max(1, len(self.records) // self.batch_size)

    def __getitem__(self, item: int) -> Batch:
        if item >= len(self):
            raise IndexError(item)
        # Runs of like length, none shorter than a batch: a ragged last one would have a loss that is easier.
        start, stop = (len(self.records) * i // len(self) for i in (item, item + 1))
        groups = []
        for index in rows_of(self.processes, stop - start):
            position = start + index
            generator = random.Random(f"{self.seed}/validation/{position}")  # noqa: S311
            groups.append(sample_group(self.records[position], self.task.sampling, generator))
        return collate(groups, self.task, self.name, item, stop - start, self.tokenize)
