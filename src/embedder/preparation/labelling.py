"""Around labelling: what it will cost, what is there, what it has taught, and one store out of several."""

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedder.checks import check_types
from embedder.data.queries import first_by_hash
from embedder.data.sources import Dataset
from embedder.errors import ConfigError
from embedder.files import write_atomically
from embedder.llm.sample_store import SampleStore
from embedder.llm.score_store import ScoreStore
from embedder.preparation.prepare import Preparation
from embedder.preparation.write_records import chunks
from embedder.rewards.diagnostics import label_report
from embedder.rewards.early_stop import EarlyStopReport
from embedder.rewards.estimate import LabelEstimate, count_requests, estimate
from embedder.rewards.label_report import LabelReport
from embedder.rewards.probe import probe
from embedder.training.task import Task

logger = logging.getLogger(__name__)

_MOST_OF_THE_WORK = 0.15  # share of the labelling that timing it may take


@dataclass(frozen=True)
class ReportRun:
    """`prepare.py action=report`: what the rewards of prepared data sets look like.

    Args:
        tasks: The task mix.
        preparation: How it was prepared.
    """

    tasks: dict[str, Task]
    preparation: Preparation

    def run(self) -> list[LabelReport]:
        """Log what the stores hold and one report a data set, and keep it as `report.json` beside the rewards."""
        reports = []
        if any(task.objective.needs_rewards for task in self.tasks.values()):
            logger.info("the stores\n%s", self.preparation.rewards.engine().describe())
        for task in self.tasks.values():
            for _, dataset in self.preparation.datasets({task.name: task}):
                if not task.objective.needs_rewards:
                    logger.info("%s/%s: trained on labels alone, no rewards", task.name, dataset.name)
                elif (report := self._report(task, dataset)) is not None:
                    reports.append(report)
        return reports

    def _report(self, task: Task, dataset: Dataset) -> LabelReport | None:
        prepared = self.preparation.prepared(task, dataset)
        if not prepared.is_complete and dataset.records is None:
            job = self.preparation.job(task, dataset)
            judge = self.preparation.judge(job)
            proposed = zip(job.queries, self.preparation.finder(job).propose(job.queries), strict=True)
            scored = total = 0
            for chunk in chunks(proposed):
                found, asked = (0, 0) if judge is None else judge.count_scored(chunk)
                scored, total = scored + found, total + asked
            logger.info(
                "%s/%s: not prepared yet, %d of %d prompts are scored: run prepare.py with the same settings to go on",
                task.name,
                dataset.name,
                scored,
                total,
            )
            return None
        prepared.check()
        manifest = prepared.manifest()
        self.preparation.reward(task, prepared)
        report = label_report(prepared.records("train"))
        early = manifest["labelling"].get("early_stop")
        stopped = f"\n{EarlyStopReport.from_json(early)}" if early else ""
        logger.info("%s/%s\n%s%s", task.name, dataset.name, report.render(), stopped)
        write_atomically(
            (prepared.rewards or prepared.directory) / "report.json",
            json.dumps(report.as_json() | {"early_stop": early}, indent=1),
        )
        return report


@dataclass(frozen=True)
class MergeRun:
    """`prepare.py action=merge`: put all shards of the store, and those of other stores, into one without duplicates.

    Args:
        store: The store's directory.
        stores: Directories of further stores, such as those of other machines; they are only read.
    """

    store: str
    stores: Sequence[str] = ()

    def run(self) -> None:
        """Merge the log-likelihoods and the sampled outputs."""
        for other in self.stores:
            if not any((Path(other) / name).is_dir() for name in ("scores", "samples")):
                raise ConfigError("run.stores", "folders with scores/ or samples/ in them", other)
        for kind, name in ((ScoreStore, "scores"), (SampleStore, "samples")):
            others = [Path(other) / name for other in self.stores]
            merged = kind(Path(self.store) / name, read_only=[other for other in others if other.is_dir()])
            merged.compact()
            logger.info("%s", kind(Path(self.store) / name).describe())


@dataclass(frozen=True)
class EstimateRun:
    """`prepare.py action=estimate`: what labelling will cost, from a few timed queries; the stores stay as they are.

    Args:
        tasks: The task mix.
        preparation: How it will be prepared.
        sample: Queries whose prompts are counted.
        probed: Queries that the LLM is timed on.
    """

    tasks: dict[str, Task]
    preparation: Preparation
    sample: int = 200
    probed: int = 6

    def __post_init__(self) -> None:
        check_types(self, "run")
        for setting in ("sample", "probed"):
            if getattr(self, setting) < 1:
                raise ConfigError(f"run.{setting}", "1 or more", getattr(self, setting))

    def run(self) -> list[LabelEstimate]:
        """Log one estimate of what is left for each data set; none where that is nothing, or too little to time."""
        found = [
            self._estimate(task, dataset)
            for task, dataset in self.preparation.datasets(self.tasks)
            if dataset.records is None
        ]
        return [one for one in found if one is not None]

    def _estimate(self, task: Task, dataset: Dataset) -> LabelEstimate | None:
        name = f"{task.name}/{dataset.name}"
        if self.preparation.prepared(task, dataset).is_complete:
            logger.info("%s: prepared already, nothing is left", name)
            return None
        job = self.preparation.job(task, dataset)
        judge, settings = self.preparation.judge(job), self.preparation.rewards.of_task(task).outputs
        if judge is None:
            logger.info("%s: labels alone, no LLM is run", name)
            return None
        some = first_by_hash(job.queries, self.sample, "estimate")
        proposed = zip(some, self.preparation.finder(job).propose(some), strict=True)
        requests = [judge.request(query, candidates) for query, candidates in proposed]
        unscored = judge.count_left(requests)
        total = sum(1 + len(request.candidate_prompts) for request in requests)
        # As many queries as have so many prompts: some are scored in part, as after a change of candidates.n.
        left = round(len(job.queries) * sum(unscored) / total)
        n = min(self.probed, int((_MOST_OF_THE_WORK * left - 1) / 2))  # each is timed alone and with the others
        if n < 1:
            of_sample = f"{sum(unscored):,} of {total:,} prompts of {len(some):,} queries are left to score"
            logger.info("%s: %s%s", name, of_sample, ", too few to be worth an estimate" if left else "")
            return None
        open_ones = [request for request, prompts in zip(requests, unscored, strict=True) if prompts]
        measured = probe(self.preparation.rewards.language_model, open_ones, settings, n)
        counts = count_requests(open_ones, settings.n_outputs, settings.max_answers)
        found = estimate(dataclasses.replace(counts, queries=left), measured)
        done = 1 - sum(unscored) / total
        told = f": {done:.0%} of the prompts are scored already" if done else ""
        logger.info("%s%s\n%s", name, told, found.render())
        return found
