"""Before and after labelling: what it will cost, and what it has taught."""

import dataclasses
import json
import logging
from dataclasses import dataclass
from typing import Any

from embedder.app.jobs import Job
from embedder.app.prepare import Preparation
from embedder.data.prepared import write_atomically
from embedder.data.queries import first_by_hash
from embedder.errors import ConfigError
from embedder.rewards.diagnostics import label_report
from embedder.rewards.estimate import LabelEstimate, count_requests, estimate
from embedder.rewards.label_report import LabelReport
from embedder.rewards.probe import ProbeSettings, probe
from embedder.training.task import Task

logger = logging.getLogger(__name__)


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
        """Log one report a data set, and keep it as `report.json` beside the rewards."""
        reports = []
        for task in self.tasks.values():
            for dataset in self.preparation.source.datasets(task.name):
                prepared = self.preparation.prepared(task, dataset)
                manifest = prepared.manifest()
                if not task.objective.needs_rewards:
                    logger.info("%s/%s: trained on labels alone, no rewards", task.name, dataset.name)
                    continue
                report = label_report(prepared.records("train"))
                reports.append(report)
                early = manifest["labelling"].get("early_stop")
                stopped = f"\nearly stop saved {early['saved']:.0%} of the candidates" if early else ""
                logger.info("%s/%s\n%s%s", task.name, dataset.name, report.render(), stopped)
                place = prepared.rewards or prepared.directory
                write_atomically(place / "report.json", json.dumps(report.as_json(), indent=1))
        return reports


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
        for setting in ("sample", "probed"):
            if getattr(self, setting) < 1:
                raise ConfigError(f"run.{setting}", "1 or more", getattr(self, setting))

    def run(self) -> list[LabelEstimate]:
        """Log one estimate a data set."""
        return [found for job in self.preparation.jobs(self.tasks) if (found := self._estimate(job)) is not None]

    def _estimate(self, job: Job) -> LabelEstimate | None:
        name, judge, settings = f"{job.task.name}/{job.dataset.name}", self.preparation.judge(job), self._settings()
        if judge is None:
            logger.info("%s: labels alone, no LLM is run", name)
            return None
        some = first_by_hash(job.queries, self.sample, "estimate")
        proposed = zip(some, self.preparation.candidates.propose(some, job.corpus), strict=True)
        requests = [judge.request(query, candidates) for query, candidates in proposed]
        measured = probe(
            self.preparation.rewards.language_model, requests, ProbeSettings(**settings, n_requests=self.probed)
        )
        counts = count_requests(requests, settings["n_outputs"], settings["max_answers"])
        found = estimate(dataclasses.replace(counts, queries=len(job.queries)), measured)
        logger.info("%s\n%s", name, found.render())
        return found

    def _settings(self) -> dict[str, Any]:
        names = ("n_outputs", "temperature", "max_new_tokens", "max_answers", "seed")
        return {name: getattr(self.preparation.rewards, name) for name in names}
