"""Prepare a task mix: propose candidates, let the LLM judge them, write the records that training reads."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from embedder.app.import_records import import_records
from embedder.app.judging import Judge, Rewards
from embedder.candidates.bm25 import BM25Candidates
from embedder.data.corpus import Corpus
from embedder.data.examples import with_seeded_examples
from embedder.data.prepared import PreparedDataset
from embedder.data.prompts import QuestionPrompt
from embedder.data.queries import Queries, first_by_hash
from embedder.data.records import record_row
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, DataError
from embedder.training.task import Task
from embedder.types import Candidate, Query

logger = logging.getLogger(__name__)

_CHUNK = 2000  # queries held in memory together


class Source(Protocol):
    """Names the data sets of a task."""

    def datasets(self, task: str) -> list[Dataset]:
        """At least one."""
        ...


@dataclass(frozen=True)
class Validation:
    """Which training queries are held out.

    Args:
        share: Of the training queries.
        max_queries: At most so many of a data set.
    """

    share: float
    max_queries: int

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ConfigError("prepare.validation.share", "a share between 0 and 1", self.share)
        if self.max_queries < 1:
            raise ConfigError("prepare.validation.max_queries", "1 or more", self.max_queries)

    def size(self, n: int) -> int:
        """How many of `n` queries are held out."""
        return min(self.max_queries, max(1, round(self.share * n)))


@dataclass(frozen=True)
class Shard:
    """A part of the queries, for labelling on many machines: part `number` (from 1) of `of`."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ConfigError("shard", "a part such as 3/16", f"{self.number}/{self.of}")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From `3/16`."""
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal()):
            raise ConfigError("shard", "a part such as 3/16", text)
        return cls(int(number), int(of))

    def __contains__(self, query: Query) -> bool:
        digest = hashlib.blake2b(f"shard/{query.id}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") % self.of == self.number - 1


@dataclass(frozen=True)
class Job:
    """A data set with queries to prepare: what is read, what is held out, how candidates are judged."""

    task: Task
    dataset: Dataset
    corpus: Corpus
    queries: list[Query]
    held_out: set[str]
    skipped: int
    prompt: QuestionPrompt | None
    """With its solved examples; None where the task distils no rewards."""


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

    def prepare(self, tasks: Mapping[str, Task]) -> list[PreparedDataset]:
        """Prepare every data set of every task."""
        return [self._prepare(task, dataset) for task in tasks.values() for dataset in self.source.datasets(task.name)]

    def prepared(self, task: Task, dataset: Dataset) -> PreparedDataset:
        """Where the data set is prepared, or will be."""
        protocol = self._protocol(task, dataset)
        digest = hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:10]
        return PreparedDataset(task.name, dataset.name, Path(self.directory) / task.name / f"{dataset.name}-{digest}")

    def _prepare(self, task: Task, dataset: Dataset) -> PreparedDataset:
        prepared, protocol = self.prepared(task, dataset), self._protocol(task, dataset)
        if prepared.is_complete:
            logger.info("%s/%s: already prepared in %s", task.name, dataset.name, prepared.directory)
            return prepared
        partial = prepared.directory.with_name(f".{prepared.directory.name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        about: dict[str, Any] = {}
        if dataset.records is not None:
            corpus, counts = import_records(
                dataset.records, task, self.validation.share, self.validation.max_queries, partial
            )
        else:
            corpus = dataset.file("corpus").resolve()
            counts, about = self._write_records(self._job(task, dataset), partial)
        moved = prepared.directory / corpus.name if corpus.parent == partial else corpus
        manifest = {"corpus": str(moved), "counts": counts, "protocol": protocol, "labelling": about}
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        partial.replace(prepared.directory)
        logger.info("%s/%s: %s in %s", task.name, dataset.name, counts, prepared.directory)
        return prepared

    def _protocol(self, task: Task, dataset: Dataset) -> dict[str, Any]:
        """Everything that the records depend on."""
        roles = ["records"] if dataset.records is not None else ["corpus", "train"]
        protocol: dict[str, Any] = {
            "format": 1,
            "files": dataset.fingerprint(roles),
            "validation": repr(self.validation),
        }
        if dataset.records is None:
            protocol["candidates"] = repr(self.candidates)
            protocol["max_queries"] = self.max_queries
            protocol["labelled_only"] = task.objective.needs_positives
            if task.objective.needs_rewards:
                protocol |= {"rewards": self.rewards.protocol(), "prompt": repr(task.prompt)}
        return protocol

    def jobs(self, tasks: Mapping[str, Task]) -> Iterator[Job]:
        """The data sets that need candidates; those of prepared records need none."""
        for task in tasks.values():
            for dataset in self.source.datasets(task.name):
                if dataset.records is None:
                    yield self._job(task, dataset)

    def label(self, job: Job, shard: Shard) -> int:
        """Judge the queries of one part into the store, and write no records.

        Returns:
            How many queries the part has.
        """
        queries = [query for query in job.queries if query in shard]
        judge = self._judge(job)
        if judge is not None and queries:
            for chunk in _chunks(zip(queries, self.candidates.propose(queries, job.corpus), strict=True)):
                judge(chunk)
        return len(queries)

    def _job(self, task: Task, dataset: Dataset) -> Job:
        corpus = Corpus(dataset.file("corpus"))
        source = Queries(dataset.file("train"), corpus)
        # Queries are short: all of them fit in memory.
        queries = first_by_hash(source, self.max_queries or len(source), "train")
        held_out = {query.id for query in first_by_hash(queries, self.validation.size(len(queries)), "validation")}
        usable = [query for query in queries if _is_usable(query, task)]
        if not usable:
            raise DataError(
                source.path, None, f"no query has what the objective of task {task.name!r} needs ('pos' or 'answers')"
            )
        prompt = None
        if task.objective.needs_rewards:
            if task.prompt is None:
                raise ConfigError(
                    f"tasks.{task.name}.prompt", "a prompt, since the objective distils rewards of the LLM", None
                )
            prompt = with_seeded_examples(task.prompt, source, held_out, corpus)
        return Job(task, dataset, corpus, usable, held_out, len(queries) - len(usable), prompt)

    def _judge(self, job: Job) -> Judge | None:
        return None if job.prompt is None else Judge(job.prompt, self.rewards)

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
        judge = self._judge(job)
        with ExitStack() as files:
            out = {
                split: files.enter_context((directory / f"{split}.jsonl").open("w", encoding="utf-8"))
                for split in ("train", "validation", "queries")
            }
            for chunk in _chunks(zip(job.queries, self.candidates.propose(job.queries, job.corpus), strict=True)):
                rewards = judge(chunk) if judge is not None else [None] * len(chunk)
                for (query, candidates), earned in zip(chunk, rewards, strict=True):
                    split = "validation" if query.id in job.held_out else "train"
                    counts[split] += 1
                    judged = candidates if earned is None else candidates[: len(earned)]
                    _write(out[split], record_row(query, judged, earned, task.name))
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
        if not counts["train"] or not counts["validation"]:
            raise DataError(
                job.dataset.file("train"), None, f"too few usable queries to train on and to hold some out: {counts}"
            )
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


def _is_usable(query: Query, task: Task) -> bool:
    return bool(query.answers or not task.objective.needs_rewards) and bool(
        query.positives or not task.objective.needs_positives
    )


def _chunks(
    items: Iterable[tuple[Query, tuple[Candidate, ...]]],
) -> Iterator[list[tuple[Query, tuple[Candidate, ...]]]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _write(file: Any, row: Mapping[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
