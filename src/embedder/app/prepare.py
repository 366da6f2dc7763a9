"""Prepare a task mix: propose candidates, let the LLM judge them, write the records that training reads."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from embedder.app.import_records import import_records
from embedder.candidates.bm25 import BM25Candidates
from embedder.data.corpus import Corpus
from embedder.data.examples import with_seeded_examples
from embedder.data.prepared import PreparedDataset
from embedder.data.prompts import QuestionPrompt
from embedder.data.queries import Queries, first_by_hash
from embedder.data.records import record_row
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, DataError
from embedder.rewards.engine import LabelRequest, RewardEngine
from embedder.rewards.reward import Reward
from embedder.rewards.sample_store import SampleStore
from embedder.rewards.score_store import ScoreStore
from embedder.training.task import Task
from embedder.types import Candidate, LanguageModel, Query

logger = logging.getLogger(__name__)

_CHUNK = 2000  # queries held in memory together
_VERIFY_TOLERANCE = 1e-2  # nats; other processors and batch shapes differ by about 1e-4


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
class Rewards:
    """How candidates are judged.

    Args:
        language_model: The LLM that the retriever is trained for.
        reward: From stored log-likelihoods to rewards.
        store: Directory of the stored log-likelihoods and sampled outputs.
        shipped_stores: Directories of read-only stores, looked into first.
        n_outputs, temperature, max_new_tokens, max_answers, seed: See `RewardEngine`.
        verify: So many prompts whose scores are computed again and compared with the store.
    """

    language_model: LanguageModel
    reward: Reward
    store: str
    shipped_stores: list[str] = field(default_factory=list)
    n_outputs: int = 10
    temperature: float = 1.0
    max_new_tokens: int = 12
    max_answers: int = 3
    seed: int = 0
    verify: int = 0

    def engine(self) -> RewardEngine:
        """The engine over the stores."""
        shipped = [Path(path) for path in self.shipped_stores]
        return RewardEngine(
            self.language_model,
            ScoreStore(Path(self.store) / "scores", read_only=tuple(path / "scores" for path in shipped)),
            SampleStore(Path(self.store) / "samples", read_only=tuple(path / "samples" for path in shipped)),
            n_outputs=self.n_outputs,
            temperature=self.temperature,
            seed=self.seed,
            max_new_tokens=self.max_new_tokens,
            max_answers=self.max_answers,
        )

    def protocol(self) -> dict[str, Any]:
        """What the rewards depend on."""
        names = ("n_outputs", "temperature", "max_new_tokens", "max_answers", "seed")
        return {
            "llm": self.language_model.fingerprint,
            "reward": repr(self.reward),
            **{name: getattr(self, name) for name in names},
        }


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

    def _prepare(self, task: Task, dataset: Dataset) -> PreparedDataset:
        protocol = self._protocol(task, dataset)
        digest = hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:10]
        prepared = PreparedDataset(
            task.name, dataset.name, Path(self.directory) / task.name / f"{dataset.name}-{digest}"
        )
        if prepared.is_complete:
            logger.info("%s/%s: already prepared in %s", task.name, dataset.name, prepared.directory)
            return prepared
        partial = prepared.directory.with_name(f".{prepared.directory.name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        if dataset.records is not None:
            corpus, counts = import_records(
                dataset.records, task, self.validation.share, self.validation.max_queries, partial
            )
        else:
            corpus, counts = dataset.file("corpus").resolve(), self._write_records(task, dataset, partial)
        moved = prepared.directory / corpus.name if corpus.parent == partial else corpus
        manifest = {"corpus": str(moved), "counts": counts, "protocol": protocol}
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

    def _write_records(self, task: Task, dataset: Dataset, directory: Path) -> dict[str, int]:
        """Candidates and rewards of all training queries, streamed to `train.jsonl` and `validation.jsonl`."""
        corpus = Corpus(dataset.file("corpus"))
        source = Queries(dataset.file("train"), corpus)
        queries = first_by_hash(
            source, self.max_queries or len(source), "train"
        )  # queries are short: all fit in memory
        held_out = {query.id for query in first_by_hash(queries, self.validation.size(len(queries)), "validation")}
        judge = self._judge(task, source, held_out, corpus) if task.objective.needs_rewards else None
        counts = {"train": 0, "validation": 0, "skipped": 0}
        usable = [query for query in queries if _is_usable(query, task)]
        counts["skipped"] = len(queries) - len(usable)
        if counts["skipped"]:
            logger.warning(
                "%s/%s: %d of %d queries lack what the objective needs and are left out",
                task.name,
                dataset.name,
                counts["skipped"],
                len(queries),
            )
        if not usable:
            raise DataError(
                source.path, None, f"no query has what the objective of task {task.name!r} needs ('pos' or 'answers')"
            )
        with ExitStack() as files:
            out = {
                split: files.enter_context((directory / f"{split}.jsonl").open("w", encoding="utf-8"))
                for split in ("train", "validation", "queries")
            }
            for chunk in _chunks(zip(usable, self.candidates.propose(usable, corpus), strict=True)):
                rewards = judge(chunk) if judge is not None else [None] * len(chunk)
                for (query, candidates), earned in zip(chunk, rewards, strict=True):
                    split = "validation" if query.id in held_out else "train"
                    counts[split] += 1
                    _write(out[split], record_row(query, candidates, earned, task.name))
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
            raise DataError(source.path, None, f"too few usable queries to train on and to hold some out: {counts}")
        return counts

    def _judge(self, task: Task, queries: Queries, held_out: set[str], corpus: Corpus) -> "_Judge":
        if task.prompt is None:
            raise ConfigError(
                f"tasks.{task.name}.prompt", "a prompt, since the objective distils rewards of the LLM", None
            )
        prompt = with_seeded_examples(task.prompt, queries, held_out, corpus)
        return _Judge(prompt, self.rewards.engine(), self.rewards)


@dataclass(frozen=True)
class _Judge:
    """Rewards of the candidates of some queries."""

    prompt: QuestionPrompt
    engine: RewardEngine
    settings: Rewards

    def __call__(self, chunk: list[tuple[Query, tuple[Candidate, ...]]]) -> list[tuple[float, ...]]:
        requests = [
            LabelRequest(
                prompt=self.prompt.render(query.text),
                candidate_prompts=tuple(self.prompt.render(query.text, [c.key.text]) for c in candidates),
                answers=tuple(self.prompt.output(answer) for answer in query.answers),
            )
            for query, candidates in chunk
        ]
        self.engine.label(requests)
        if self.settings.verify:
            worst = self.engine.verify(requests, self.settings.verify, _VERIFY_TOLERANCE)
            logger.info(
                "scored %d stored prompts again, live: largest difference %.1e nats",
                min(self.settings.verify, sum(len(r.candidate_prompts) + 1 for r in requests)),
                worst,
            )
        return self.engine.rewards(requests, self.settings.reward)


@dataclass(frozen=True)
class PrepareRun:
    """What `prepare.py` does.

    Args:
        tasks: The task mix.
        preparation: How it is prepared.
    """

    tasks: dict[str, Task]
    preparation: Preparation

    def run(self) -> list[PreparedDataset]:
        """Prepare all data sets."""
        return self.preparation.prepare(self.tasks)


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
