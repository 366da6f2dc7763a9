"""Prepare a task mix: propose candidates, let the LLM judge them, write the records that training reads."""

import hashlib
import json
import logging
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from embedder.app.import_records import import_records
from embedder.app.jobs import Job, Shard, Source, Validation, dataset_pairs, make_job
from embedder.app.judging import Judge, Rewards
from embedder.candidates.bm25 import BM25Candidates
from embedder.data.prepared import PreparedDataset
from embedder.data.records import record_row
from embedder.data.reward_column import write_reward_column
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, check_types
from embedder.rewards.tables import ScoreTable, TableWriter, rewards_of_file
from embedder.training.task import Task
from embedder.types import Candidate, Query

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation")
_CHUNK = 2000  # queries held in memory together
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
            counts, about = self._write_records(job or self.job(task, dataset), partial)
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

    def _write_records(self, job: Job, directory: Path) -> tuple[dict[str, int], dict[str, Any]]:
        """Candidates and rewards of all training queries, streamed to `train.jsonl` and `validation.jsonl`.

        Returns:
            How many went where, and what the manifest should tell of the labelling.
        """
        task, counts = job.task, {"train": 0, "validation": 0, "skipped": job.skipped}
        if job.skipped:
            logger.warning(
                "%s/%s: %d of %d queries lack what the objective needs and are left out",
                task.name,
                job.dataset.name,
                job.skipped,
                job.skipped + len(job.queries),
            )
        judge = self.judge(job)
        with ExitStack() as files:
            out = {
                split: files.enter_context((directory / f"{split}.jsonl").open("w", encoding="utf-8"))
                for split in (*SPLITS, "queries")
            }
            if judge is not None:
                writers = {
                    split: files.enter_context(TableWriter(directory / f"{split}.scores.arrow")) for split in SPLITS
                }
            for chunk in chunks(zip(job.queries, self.candidates.propose(job.queries, job.corpus), strict=True)):
                tables = judge(chunk) if judge is not None else [None] * len(chunk)
                scored: dict[str, list[ScoreTable]] = {split: [] for split in SPLITS}
                for (query, candidates), table in zip(chunk, tables, strict=True):
                    split = "validation" if query.id in job.held_out else "train"
                    counts[split] += 1
                    judged = candidates
                    if table is not None:
                        judged = candidates[: table.n_candidates]
                        scored[split].append(table)
                    shown = {candidate.key.id for candidate in judged}
                    others = [job.corpus.position(key_id) for key_id in query.positives if key_id not in shown]
                    known = tuple(job.corpus[position].text for position in others)
                    _write(out[split], record_row(query, judged, task.name, known))
                    if split == "validation":
                        _write(
                            out["queries"],
                            {
                                "query_id": query.id,
                                "query": query.text,
                                "answers": query.answers,
                                "pos": query.positives,
                            },
                        )
                if judge is not None:
                    for split, some in scored.items():
                        writers[split].write(some)
        about: dict[str, Any] = {} if judge is None else {"prompt": judge.prompt.render("...", ["..."])}
        if judge is not None and judge.early_stop_report is not None:
            logger.info("%s/%s: %s", task.name, job.dataset.name, judge.early_stop_report)
            about["early_stop"] = judge.early_stop_report.as_json()
        return counts, about


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


def chunks(
    items: Iterable[tuple[Query, tuple[Candidate, ...]]],
) -> Iterator[list[tuple[Query, tuple[Candidate, ...]]]]:
    """Some thousand queries at a time, with their candidates."""
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _write(file: Any, row: Mapping[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
