"""How data sets are prepared: the settings, and what they make for one data set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from embedder.bounds import Bound
from embedder.candidates.candidates import Candidates
from embedder.candidates.finder import CandidateFinder
from embedder.candidates.proposers import BM25Proposer
from embedder.checks import checked
from embedder.data.corpus import Corpus
from embedder.data.prepared import PreparedDataset
from embedder.data.sources import Dataset
from embedder.files import make_once
from embedder.identity import described, identity
from embedder.index.bm25_settings import BM25Settings
from embedder.llm.abilities import release
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.metrics.text import has_answer
from embedder.preparation.datasets import Source, dataset_pairs, trainable
from embedder.preparation.dense import DenseSettings
from embedder.preparation.job import Job, make_job
from embedder.preparation.judge import Judge
from embedder.preparation.kept_candidates import KEPT, KeptCandidates, keep_candidates
from embedder.preparation.reward_settings import Rewards
from embedder.preparation.spending import spend
from embedder.preparation.validation import Validation
from embedder.training.budget import Budget
from embedder.training.task import Task

_FORMAT = 17  # raised when what is prepared changes, so that an older folder is never taken for a new one

_Queries = Annotated[int, Bound("2 or more (one for validation)", at_least=2, null="null for all")]


@checked("prepare")
@dataclass(frozen=True)
class Preparation:
    """How data sets are prepared; `prepare` does it.

    Args:
        source: Names the data sets.
        candidates: Proposes candidates.
        validation: How many training queries are used for validation.
        rewards: Judges candidates of the tasks that distil rewards.
        dense: The encoder that proposes candidates, where `candidates.sources` names it.
        directory: Where prepared data sets lie.
        max_train_queries: So many of a data set are used, judged or not, chosen by a hash of their ids; None for all.
        bm25: How BM25 ranks, where `candidates.sources` names it.
    """

    source: Source
    candidates: Candidates
    validation: Validation
    rewards: Rewards
    dense: DenseSettings
    directory: str
    max_train_queries: _Queries | None = None
    bm25: BM25Settings = BM25Settings()  # noqa: RUF009  # frozen

    @property
    def kept(self) -> str:
        """What a stopped preparation leaves."""
        return f"what the LLM has said is kept in {self.rewards.store}; to resume, run the same command again"

    def datasets(self, tasks: Mapping[str, Task]) -> list[tuple[Task, Dataset]]:
        """The data sets of a mix that have something to train on, each with its task."""
        return trainable(dataset_pairs(self.source, tasks))

    def prepared(self, task: Task, dataset: Dataset) -> PreparedDataset:
        """Where the data set is prepared, or will be: the folder is named by all that its records depend on."""
        directory = Path(self.directory) / task.name / f"{dataset.name}-{identity(**self.protocol(task, dataset))[:10]}"
        rewards = None
        if dataset.records is None and task.objective.needs_rewards:
            rewards = directory / "rewards" / identity(**self.rewards.column_protocol(task))[:10]
        corpus = directory / "corpus.jsonl" if dataset.records is not None else dataset.file("corpus")
        return PreparedDataset(task.name, dataset.name, directory, corpus, rewards)

    def protocol(self, task: Task, dataset: Dataset) -> dict[str, Any]:
        """Everything that the records depend on."""
        roles = ["records"] if dataset.records is not None else ["corpus", "train"]
        protocol: dict[str, Any] = {
            "format": _FORMAT,
            "files": dataset.fingerprint(roles),
            "validation": described(self.validation),
            "needs_rewards": task.objective.needs_rewards,
            "needs_positives": task.objective.needs_positives,
        }
        if dataset.records is not None and task.labelling.min_reward_gap:
            protocol["min_reward_gap"] = task.labelling.min_reward_gap
        if dataset.records is not None and (most := task.labelling.most(self.max_train_queries)) is not None:
            protocol["max_train_queries"] = most
        if dataset.records is None:
            protocol["candidates"] = described(self.candidates)
            protocol["max_train_queries"] = [self.max_train_queries, task.labelling.max_train_queries]
            if "bm25" in self.candidates.sources:
                protocol["bm25"] = described(self.bm25)
            if "dense" in self.candidates.sources:
                protocol["dense"] = self.dense.protocol(task)
            if task.objective.needs_rewards:
                protocol["budget"] = described(self.rewards.of_task(task).budget)
                protocol |= {"rewards": self.rewards.of_task(task).protocol(), "prompt": described(task.prompt)}
        return protocol

    def made_of(self, tasks: Mapping[str, Task]) -> tuple[dict[str, Any], dict[str, Any]]:
        """By data set: all that its records depend on, and the digests of its files; known before it is prepared."""
        protocols, sources = {}, {}
        for task, dataset in dataset_pairs(self.source, tasks):
            if dataset.train is None and dataset.records is None:  # it is used for tests only
                continue
            name = f"{task.name}/{dataset.name}"
            judged = self.prepared(task, dataset).rewards is not None
            protocol = self.protocol(task, dataset) | (self.rewards.column_protocol(task) if judged else {})
            protocols[name] = json.loads(json.dumps(protocol))
            sources[name] = dataset.made_of() | {"test_share": getattr(self.source, "test_share", None)}
        return protocols, sources

    def job(self, task: Task, dataset: Dataset) -> Job:
        """What one data set is prepared from; see `make_job`."""
        path = dataset.file("corpus")
        if path not in self._corpora:
            self._corpora[path] = Corpus(path)
        budget = self.rewards.of_task(task).budget if task.objective.needs_rewards else Budget()
        return make_job(task, dataset, self._corpora[path], self.validation, self.max_train_queries, budget)

    @cached_property
    def _corpora(self) -> dict[Path, Corpus]:
        """Each is opened once, which reads it, however many tasks share it."""
        return {}

    def is_judged(self, job: Job) -> bool:
        """Whether the LLM judges candidates of a data set; labels are all that other tasks need."""
        return job.prompt is not None and job.task.objective.needs_rewards

    def judge(self, job: Job, language_model: CachedLanguageModel | None = None) -> Judge | None:
        """What judges the candidates of a data set, if the LLM does; for `language_model` see `Judge`."""
        if job.prompt is None or not self.is_judged(job):
            return None
        path = job.dataset.file("train")
        return Judge(job.prompt, self.rewards.of_task(job.task), path, job.repeated, language_model)

    def spent(self, job: Job, prepared: PreparedDataset) -> Job:
        """The job once its budget is spent, which takes the LLM where the budget is in tokens or minutes."""
        judge = self.judge(job)
        if judge is None or not (budget := self.rewards.of_task(job.task).budget).is_open:
            return job
        ledger = prepared.directory.with_name(f".{prepared.directory.name}.spent.json")
        return spend(job, self.finder(job), judge, budget, ledger)

    def candidates_folder(self, prepared: PreparedDataset) -> Path:
        """Where the candidates of a data set lie until its records are written; named by all that these depend on."""
        return prepared.directory.with_name(f".{prepared.directory.name}{KEPT}")

    def proposed(self, job: Job) -> CandidateFinder | KeptCandidates:
        """The candidates of a data set that another process has proposed, or else what proposes them."""
        folder = self.candidates_folder(self.prepared(job.task, job.dataset))
        try:
            return KeptCandidates(folder, job.corpus)
        except FileNotFoundError:  # none are there, or another process is removing them
            return self.finder(job)

    def proposed_once(self, job: Job) -> CandidateFinder | KeptCandidates:
        """The candidates of a data set, which one of the processes that come here at once proposes for all."""
        folder = self.candidates_folder(self.prepared(job.task, job.dataset))
        if not folder.is_dir():
            if "dense" in self.candidates.sources:
                self.dense.encode(job.task, job.corpus)  # the processes share this
            make_once(folder, lambda partial: keep_candidates(job.queries, self.finder(job), job.corpus, partial))
            self.dense.release()
        return self.proposed(job)

    def release(self) -> None:
        """Give back the memory of the LLM and of the encoder of candidates; whoever needs one again loads it again."""
        release(self.rewards.language_model)
        self.dense.release()

    def finder(self, job: Job) -> CandidateFinder:
        """What proposes the candidates of a data set."""
        proposers = [
            BM25Proposer(self.bm25) if source == "bm25" else self.dense.proposer(job.task)
            for source in self.candidates.sources
        ]
        return CandidateFinder(self.candidates, proposers, job.corpus, has_answer)
