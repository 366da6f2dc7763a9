"""Prepare a task mix: propose candidates, let the LLM judge them, write the records that training reads."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embedder.candidates.candidates import CandidateFinder, Candidates
from embedder.candidates.lexical import BM25Proposer
from embedder.checks import check_types
from embedder.data.overlap import trained_on
from embedder.data.prepared import PreparedDataset
from embedder.data.reward_column import RewardColumn, write_reward_column
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, DataError
from embedder.files import damage, in_turn, remove_orphans, whole_folder
from embedder.index.bm25_index import BM25Settings
from embedder.metrics.text import has_answer
from embedder.preparation.dense import DenseSettings
from embedder.preparation.import_records import import_records
from embedder.preparation.jobs import Job, Shard, Source, Validation, dataset_pairs, make_job
from embedder.preparation.judging import Judge, Rewards
from embedder.preparation.write_records import SPLITS, chunks, write_records
from embedder.rewards.tables import rewards_of_file
from embedder.training.task import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preparation:
    """Prepares data sets; what is already prepared with the same inputs and settings is left as it is.

    Args:
        source: Names the data sets.
        candidates: Proposes candidates.
        validation: What is held out.
        rewards: Judges candidates of the tasks that distil rewards.
        dense: The encoder that proposes candidates, where `candidates.sources` names it.
        directory: Where prepared data sets lie.
        max_queries: So many training queries of a data set are taken, chosen by a hash of their ids; None for all.
        bm25: How BM25 ranks, where `candidates.sources` names it.
    """

    source: Source
    candidates: Candidates
    validation: Validation
    rewards: Rewards
    dense: DenseSettings
    directory: str
    max_queries: int | None = None
    bm25: BM25Settings = BM25Settings()  # noqa: RUF009  # frozen

    def __post_init__(self) -> None:
        check_types(self, "prepare")
        if self.max_queries is not None and self.max_queries < 2:
            raise ConfigError("prepare.max_queries", "2 or more (one is held out), or null for all", self.max_queries)

    @property
    def kept(self) -> str:
        """What a stopped preparation leaves."""
        return f"what the LLM has said is kept in {self.rewards.store}; to go on, run the same command again"

    def prepare(self, tasks: Mapping[str, Task]) -> list[PreparedDataset]:
        """Prepare every data set of every task; what cannot be prepared is told before anything is labelled."""
        waiting = []
        overlap = trained_on([dataset for _, dataset in dataset_pairs(self.source, tasks)])
        for task, dataset in self.datasets(tasks):
            protocol = self._protocol(task, dataset)
            prepared = self._place(task, dataset, protocol)
            remove_orphans(prepared.directory.parent)
            if prepared.is_complete:
                prepared.check()
            # Made for all data sets first: it reads and checks every line.
            job = None if prepared.is_complete or dataset.records is not None else self.job(task, dataset)
            waiting.append((task, dataset, protocol, prepared, job, overlap.get(dataset)))
        for task in tasks.values():
            if task.objective.needs_rewards and task.labelling.reward is not None:
                logger.info("%s: rewards are %r, which the task sets itself", task.name, task.labelling.reward)
        return held_out_together([self._prepare(*some) for some in waiting])

    def datasets(self, tasks: Mapping[str, Task]) -> list[tuple[Task, Dataset]]:
        """All data sets of the mix that have something to train on.

        Raises:
            DataError: A task has none.
        """
        found = dataset_pairs(self.source, tasks)
        usable = [pair for pair in found if pair[1].records is not None or pair[1].train is not None]
        for task, dataset in found:
            if (task, dataset) in usable:
                continue
            if all(other.name != task.name for other, _ in usable):
                dataset.file("train")  # the error that says what is missing
            logger.info("%s/%s: no train.jsonl, for tests only", task.name, dataset.name)
        return usable

    def prepared(self, task: Task, dataset: Dataset) -> PreparedDataset:
        """Where the data set is prepared, or will be."""
        return self._place(task, dataset, self._protocol(task, dataset))

    def _place(self, task: Task, dataset: Dataset, protocol: Mapping[str, Any]) -> PreparedDataset:
        directory = Path(self.directory) / task.name / f"{dataset.name}-{_digest(protocol)}"
        rewards = None
        if dataset.records is None and task.objective.needs_rewards:
            rewards = directory / "rewards" / _digest(self._reward_protocol(task))
        corpus = directory / "corpus.jsonl" if dataset.records is not None else dataset.file("corpus")
        return PreparedDataset(task.name, dataset.name, directory, corpus, rewards)

    def _prepare(
        self,
        task: Task,
        dataset: Dataset,
        protocol: Mapping[str, Any],
        prepared: PreparedDataset,
        job: Job | None,
        overlap: int | None,
    ) -> PreparedDataset:
        if prepared.is_complete:
            logger.info("%s/%s: already prepared in %s", task.name, dataset.name, prepared.directory)
            self.reward(task, prepared)
            return prepared
        # Processes of one run (torchrun, srun) and jobs of a sweep come here at once: one asks the LLM for all.
        with in_turn(prepared.directory.with_name(f".{prepared.directory.name}.lock")) as waited:
            if not prepared.is_complete:
                if waited and n_processes() > 1:
                    message = "the process of this run that prepared this data set ended before it was done: see above"
                    raise DataError(dataset.name, None, message)
                with whole_folder(prepared.directory) as partial:
                    manifest = {"protocol": protocol, "test_questions_trained_on": overlap}
                    self._fill(task, dataset, manifest, partial, job)
            logger.info("%s/%s: %s in %s", task.name, dataset.name, prepared.manifest()["counts"], prepared.directory)
            self.reward(task, prepared)
        return prepared

    def reward(self, task: Task, prepared: PreparedDataset) -> None:
        """Make the rewards of prepared records from their stored log-likelihoods, without the LLM."""
        if prepared.rewards is None:
            return
        if prepared.rewards.is_dir():
            if (wrong := damage(prepared.rewards)) is None:
                return
            logger.warning("%s: %s; the rewards are computed again", prepared.rewards, wrong)
        started = time.perf_counter()
        reward = self.rewards.of_task(task).reward
        with whole_folder(prepared.rewards, replace=prepared.rewards.is_dir()) as partial:
            for split in SPLITS:
                tables = prepared.directory / f"{split}.scores.arrow"
                write_reward_column(partial / f"{split}.npy", rewards_of_file(tables, reward))
            self._leave_out_flat(task, prepared, partial)
            (partial / "reward.json").write_text(json.dumps(self._reward_protocol(task), indent=1), encoding="utf-8")
        logger.info("%s/%s: rewards in %.1f s", prepared.task, prepared.name, time.perf_counter() - started)

    def _leave_out_flat(self, task: Task, prepared: PreparedDataset, rewards: Path) -> None:
        """Note which training records have a gap between their rewards that is worth learning, if one is asked for."""
        gap = task.labelling.min_reward_gap
        if not gap:
            return
        column = RewardColumn(rewards / "train.npy")
        kept = column.wide(gap)
        name = f"{task.name}/{prepared.name}"
        if not len(kept):
            expected = f"at most what the rewards of {len(column)} training records of {prepared.name} differ by"
            raise ConfigError(f"tasks.{task.name}.labelling.min_reward_gap", expected, gap)
        np.save(rewards / "train.kept.npy", kept)
        logger.info(
            "%s: %d of %d training records have rewards that differ by less than %g and are left out",
            name,
            len(column) - len(kept),
            len(column),
            gap,
        )

    def _reward_protocol(self, task: Task) -> dict[str, Any]:
        protocol: dict[str, Any] = {"reward": repr(self.rewards.of_task(task).reward), "reward_format": 2}
        gap = task.labelling.min_reward_gap
        return protocol | ({"min_reward_gap": gap} if gap else {})

    def _fill(self, task: Task, dataset: Dataset, manifest: dict[str, Any], partial: Path, job: Job | None) -> None:
        about: dict[str, Any] = {}
        if dataset.records is not None:
            counts = import_records(dataset.records, task, self.validation.share, self.validation.max_queries, partial)
        else:
            some = job or self.job(task, dataset)
            counts, about = write_records(some, self.finder(some), self.judge(some), partial)
        manifest |= {"counts": counts, "labelling": about}
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")

    def _protocol(self, task: Task, dataset: Dataset) -> dict[str, Any]:
        """Everything that the records depend on."""
        roles = ["records"] if dataset.records is not None else ["corpus", "train"]
        protocol: dict[str, Any] = {
            "format": 14,
            "files": dataset.fingerprint(roles),
            "validation": repr(self.validation),
            "needs_rewards": task.objective.needs_rewards,
            "needs_positives": task.objective.needs_positives,
        }
        if dataset.records is not None and task.labelling.min_reward_gap:
            protocol["min_reward_gap"] = task.labelling.min_reward_gap
        if dataset.records is None:
            protocol["candidates"] = repr(self.candidates)
            protocol["max_queries"] = [self.max_queries, task.labelling.max_queries]
            if "bm25" in self.candidates.sources:
                protocol["bm25"] = repr(self.bm25)
            if "dense" in self.candidates.sources:
                protocol["dense"] = self.dense.protocol(task)
            if task.objective.needs_rewards:
                protocol |= {"rewards": self.rewards.of_task(task).protocol(), "prompt": repr(task.prompt)}
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
            for chunk in chunks(zip(queries, self.finder(job).propose(queries), strict=True)):
                judge(chunk)
        return len(queries)

    def job(self, task: Task, dataset: Dataset) -> Job:
        """What one data set is prepared from; see `make_job`."""
        return make_job(task, dataset, self.validation, self.max_queries)

    def judge(self, job: Job) -> Judge | None:
        """What judges the candidates of a data set; None where labels are all that its task needs."""
        if job.prompt is None or not job.task.objective.needs_rewards:
            return None
        return Judge(job.prompt, self.rewards.of_task(job.task), job.dataset.file("train"))

    def finder(self, job: Job) -> CandidateFinder:
        """What proposes the candidates of a data set."""
        proposers = [
            BM25Proposer(self.bm25) if source == "bm25" else self.dense.proposer(job.task)
            for source in self.candidates.sources
        ]
        return CandidateFinder(self.candidates, proposers, job.corpus, has_answer)


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

    @property
    def kept(self) -> str:
        """What a stopped run leaves."""
        return self.preparation.kept

    def run(self) -> list[PreparedDataset]:
        """Prepare all data sets; nothing is returned for a part."""
        if self.shard is None:
            return self.preparation.prepare(self.tasks)
        shard = Shard.parse(self.shard)
        with in_turn(Path(self.preparation.rewards.store) / f".part-{shard.number}-of-{shard.of}.lock"):
            for job in self.preparation.jobs(self.tasks):
                n = self.preparation.label(job, shard)
                logger.info("%s/%s: %d queries of part %s are labelled", job.task.name, job.dataset.name, n, self.shard)
        logger.info("when all parts are labelled, run this again without shard to write the records")
        return []


def held_out_together(datasets: Sequence[PreparedDataset]) -> list[PreparedDataset]:
    """The data sets of a run, none of which trains on what any of them holds out.

    Raises:
        DataError: Nothing is left of one to train on.
    """
    held_out = frozenset[int]().union(*(dataset.questions_held_out() for dataset in datasets))
    together = [replace(dataset, held_out=held_out) for dataset in datasets]
    for dataset in together:
        if not len(dataset.leaked):
            continue
        if dataset.kept is not None and not len(dataset.kept):
            message = "every training question is held out in another data set or task of this run: nothing is left"
            raise DataError(dataset.directory, None, message)
        logger.warning(
            "%s/%s: %d training records ask what is held out in another data set or task of this run: left out",
            dataset.task,
            dataset.name,
            len(dataset.leaked),
        )
    return together


def n_processes() -> int:
    """How many processes torchrun or srun started for this run."""
    names = ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdecimal()), 1)


def _digest(protocol: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:10]
