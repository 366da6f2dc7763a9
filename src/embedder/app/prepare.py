"""Prepare a task mix: propose candidates, let the LLM judge them, write the records that training reads."""

import hashlib
import json
import logging
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.app.import_records import import_records
from embedder.app.jobs import Job, Shard, Source, Validation, dataset_pairs, make_job
from embedder.app.judging import Judge, Rewards
from embedder.app.write_records import SPLITS, chunks, write_records
from embedder.candidates.bm25 import BM25Candidates
from embedder.data.prepared import PreparedDataset
from embedder.data.reward_column import write_reward_column
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, check_types
from embedder.rewards.tables import rewards_of_file
from embedder.training.task import Task

logger = logging.getLogger(__name__)

_RECORDS_ONLY = frozenset({"chat", "lrlm", "icl"})  # their keys are not passages of a corpus


@dataclass(frozen=True)
class Preparation:
    """Prepares data sets; what is already prepared with the same inputs and settings is left as it is.

    Args:
        source: Names the data sets.
        candidates: Proposes candidates.
        validation: What is held out.
        rewards: Judges candidates of the tasks that distil rewards.
        directory: Where prepared data sets lie.
        max_queries: So many training queries of a data set are taken, chosen by a hash of their ids; None for all.
    """

    source: Source
    candidates: BM25Candidates
    validation: Validation
    rewards: Rewards
    directory: str
    max_queries: int | None = None

    def __post_init__(self) -> None:
        check_types(self, "prepare")
        if self.max_queries is not None and self.max_queries < 2:
            raise ConfigError("prepare.max_queries", "2 or more (one is held out), or null for all", self.max_queries)

    def prepare(self, tasks: Mapping[str, Task]) -> list[PreparedDataset]:
        """Prepare every data set of every task; what cannot be prepared is told before anything is labelled."""
        waiting = []
        for task, dataset in self.datasets(tasks):
            protocol = self._protocol(task, dataset)
            prepared = self._place(task, dataset, protocol)
            # Made for all data sets first: it reads and checks every line.
            job = None if prepared.is_complete or dataset.records is not None else self.job(task, dataset)
            waiting.append((task, dataset, protocol, prepared, job))
        return [self._prepare(*some) for some in waiting]

    def datasets(self, tasks: Mapping[str, Task]) -> list[tuple[Task, Dataset]]:
        """All data sets of the mix."""
        found = dataset_pairs(self.source, tasks)
        for task, dataset in found:
            if dataset.records is None and task.name in _RECORDS_ONLY:
                raise ConfigError(
                    "task_mix", f"qa, convsearch or tool; {task.name} takes records (source=jsonl) so far", task.name
                )
        return found

    def prepared(self, task: Task, dataset: Dataset) -> PreparedDataset:
        """Where the data set is prepared, or will be."""
        return self._place(task, dataset, self._protocol(task, dataset))

    def _place(self, task: Task, dataset: Dataset, protocol: Mapping[str, Any]) -> PreparedDataset:
        directory = Path(self.directory) / task.name / f"{dataset.name}-{_digest(protocol)}"
        rewards = None
        if dataset.records is None and task.objective.needs_rewards:
            rewards = directory / "rewards" / _digest(self._reward_protocol())
        corpus = directory / "corpus.jsonl" if dataset.records is not None else dataset.file("corpus")
        return PreparedDataset(task.name, dataset.name, directory, corpus, rewards)

    def _prepare(
        self,
        task: Task,
        dataset: Dataset,
        protocol: Mapping[str, Any],
        prepared: PreparedDataset,
        job: Job | None,
    ) -> PreparedDataset:
        if prepared.is_complete:
            logger.info("%s/%s: already prepared in %s", task.name, dataset.name, prepared.directory)
            self.reward(prepared)
            return prepared
        # Another process may prepare the same at once: each writes into a folder of its own, and one of them is kept.
        partial = prepared.directory.with_name(f".{prepared.directory.name}.{uuid.uuid4().hex}")
        _remove_abandoned(prepared.directory)
        partial.mkdir(parents=True)
        try:
            self._fill(task, dataset, protocol, partial, job)
            if not prepared.is_complete:
                partial.replace(prepared.directory)
        except OSError:
            if not prepared.is_complete:
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        logger.info("%s/%s: %s in %s", task.name, dataset.name, prepared.manifest()["counts"], prepared.directory)
        self.reward(prepared)
        return prepared

    def reward(self, prepared: PreparedDataset) -> None:
        """Make the rewards of prepared records from their stored log-likelihoods, without the LLM."""
        if prepared.rewards is None or prepared.rewards.is_dir():
            return
        started = time.perf_counter()
        partial = prepared.rewards.with_name(f".{prepared.rewards.name}.{uuid.uuid4().hex}")
        partial.mkdir(parents=True)
        try:
            for split in SPLITS:
                tables = prepared.directory / f"{split}.scores.arrow"
                write_reward_column(partial / f"{split}.npy", rewards_of_file(tables, self.rewards.reward))
            (partial / "reward.json").write_text(json.dumps(self._reward_protocol(), indent=1), encoding="utf-8")
            partial.replace(prepared.rewards)
        except OSError:
            if not prepared.rewards.is_dir():  # else another process was quicker, with the same contents
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        logger.info("%s/%s: rewards in %.1f s", prepared.task, prepared.name, time.perf_counter() - started)

    def _reward_protocol(self) -> dict[str, Any]:
        return {"reward": repr(self.rewards.reward), "reward_format": 1}

    def _fill(self, task: Task, dataset: Dataset, protocol: Mapping[str, Any], partial: Path, job: Job | None) -> None:
        about: dict[str, Any] = {}
        if dataset.records is not None:
            counts = import_records(dataset.records, task, self.validation.share, self.validation.max_queries, partial)
        else:
            some = job or self.job(task, dataset)
            counts, about = write_records(some, self.candidates, self.judge(some), partial)
        manifest = {"counts": counts, "protocol": protocol, "labelling": about}
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")

    def _protocol(self, task: Task, dataset: Dataset) -> dict[str, Any]:
        """Everything that the records depend on."""
        roles = ["records"] if dataset.records is not None else ["corpus", "train"]
        protocol: dict[str, Any] = {
            "format": 6,
            "files": dataset.fingerprint(roles),
            "validation": repr(self.validation),
            "needs_rewards": task.objective.needs_rewards,
            "needs_positives": task.objective.needs_positives,
        }
        if dataset.records is None:
            protocol["candidates"] = repr(self.candidates)
            protocol["max_queries"] = self.max_queries
            if task.objective.needs_rewards:
                protocol |= {"rewards": self.rewards.protocol(), "prompt": repr(task.prompt)}
        return protocol

    def jobs(self, tasks: Mapping[str, Task]) -> Iterator[Job]:
        """The data sets that need candidates; those of prepared records need none."""
        for task, dataset in self.datasets(tasks):
            if dataset.records is None:
                yield self.job(task, dataset)

    def label(self, job: Job, shard: Shard) -> int:
        """Judge the queries of one part into the store, and write no records.

        Returns:
            How many queries the part has.
        """
        queries = [query for query in job.queries if query in shard]
        judge = self.judge(job)
        if judge is not None and queries:
            for chunk in chunks(zip(queries, self.candidates.propose(queries, job.corpus), strict=True)):
                judge(chunk)
        return len(queries)

    def job(self, task: Task, dataset: Dataset) -> Job:
        """What one data set is prepared from; see `make_job`."""
        return make_job(task, dataset, self.validation, self.max_queries)

    def judge(self, job: Job) -> Judge | None:
        """What judges the candidates of a data set; None where labels are all that its task needs."""
        if job.prompt is None or not job.task.objective.needs_rewards:
            return None
        return Judge(job.prompt, self.rewards)


@dataclass(frozen=True)
class PrepareRun:
    """`prepare.py`: prepare all data sets, or label one part of their queries into the store.

    Args:
        tasks: The task mix.
        preparation: How it is prepared.
        shard: A part such as `3/16`; None prepares everything.
    """

    tasks: dict[str, Task]
    preparation: Preparation
    shard: str | None = None

    def run(self) -> list[PreparedDataset]:
        """Prepare all data sets; nothing is returned for a part."""
        if self.shard is None:
            return self.preparation.prepare(self.tasks)
        shard = Shard.parse(self.shard)
        for job in self.preparation.jobs(self.tasks):
            n = self.preparation.label(job, shard)
            logger.info("%s/%s: %d queries of part %s are labelled", job.task.name, job.dataset.name, n, self.shard)
        logger.info("when all parts are labelled, run this again without shard to write the records")
        return []


def _remove_abandoned(directory: Path) -> None:
    """Delete partial folders of killed processes: those that nobody has written to for a week."""
    for partial in directory.parent.glob(f".{directory.name}.*"):
        with suppress(FileNotFoundError):  # its owner is just done with it
            if time.time() - max(path.stat().st_mtime for path in (partial, *partial.iterdir())) > 7 * 86400:
                shutil.rmtree(partial, ignore_errors=True)


def _digest(protocol: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:10]
