"""What the LLM is to judge before records are written, as work that several processes share."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from embedder.candidates.finder import CandidateFinder
from embedder.preparation.job import Job
from embedder.preparation.judge import Judge
from embedder.preparation.kept_candidates import KeptCandidates
from embedder.preparation.preparation import Preparation
from embedder.preparation.write_records import chunks
from embedder.processes import TOGETHER, Processes
from embedder.training.task import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labelling:
    """The queries of some data sets that the LLM is to judge into the store.

    Another process gets tasks, settings and the names of the data sets, and reads their files itself.

    Args:
        tasks: The task mix.
        preparation: How it is prepared.
        jobs: Of the data sets.
    """

    tasks: Mapping[str, Task]
    preparation: Preparation
    jobs: Sequence[Job]

    @classmethod
    def of(cls, tasks: Mapping[str, Task], preparation: Preparation, names: Iterable[str] | None = None) -> "Labelling":
        """The labelling of the data sets of these names (`task/data set`), or of all; published records need none."""
        jobs = [
            preparation.job(task, dataset)
            for task, dataset in preparation.datasets(tasks)
            if dataset.records is None and (names is None or f"{task.name}/{dataset.name}" in names)
        ]
        return cls(tasks, preparation, jobs)

    @property
    def names(self) -> list[str]:
        """`task/data set` of each job."""
        return [f"{job.task.name}/{job.dataset.name}" for job in self.jobs]

    def __str__(self) -> str:
        return f"the labelling of {', '.join(self.names)}"

    def part(self, processes: Processes, *, alone: bool = False) -> None:
        """Judge one part of the queries of every data set into the store, and write no records.

        Args:
            processes: Which part: that of this process.
            alone: Whether the other parts are judged at other times or places, so that candidates are proposed for
                this part only.
        """
        for number in range(len(self.jobs)):
            self.part_of_job(number, processes, alone=alone)

    def part_of_job(self, number: int, processes: Processes, *, alone: bool = False) -> int:
        """Judge one part of the queries of one data set; returns how many they are."""
        job = self.jobs[number]
        if number not in self._opened:
            self._opened.clear()  # of the last data set: its store and its index fill the memory
            proposed = self.preparation.proposed(job) if alone else self.preparation.proposed_once(job)
            self._opened[number] = self.preparation.judge(job), proposed
        judge, finder = self._opened[number]
        to_judge = job.to_judge
        share = processes.share(len(to_judge), TOGETHER)
        queries = to_judge[share.start : share.stop]
        if judge is not None and queries:
            for chunk in chunks(zip(queries, finder.propose(queries), strict=True), job.judged):
                judge.label_part(chunk)
        logger.info("%s: %d queries of part %s are labelled", self.names[number], len(queries), processes)
        return len(queries)

    @cached_property
    def _opened(self) -> dict[int, tuple[Judge | None, CandidateFinder | KeptCandidates]]:
        return {}

    def __reduce__(self) -> tuple[Callable[..., "Labelling"], tuple[Any, ...]]:
        return Labelling.of, (self.tasks, replace(self.preparation), self.names)  # a copy has opened nothing


class Engine(Protocol):
    """Where the LLM judges: in which processes, on which devices."""

    def label(self, labelling: Labelling, devices: Sequence[int]) -> None:
        """Have several processes judge into the store; with one process, nothing: it judges while it writes records.

        Args:
            labelling: What is to be judged.
            devices: Numbers of the GPUs, or of the processes on a CPU, that training will use; none if it is not known.
        """
        ...
