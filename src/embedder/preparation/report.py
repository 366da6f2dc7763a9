"""`prepare.py action=report`: what the rewards of prepared data sets look like, and what is not yet scored."""

import json
import logging
from dataclasses import dataclass

from embedder.data.sources import Dataset
from embedder.files import write_atomically
from embedder.preparation.preparation import Preparation
from embedder.preparation.reward_files import make_rewards
from embedder.preparation.write_records import chunks
from embedder.rewards.diagnostics import label_report
from embedder.rewards.early_stop import EarlyStopReport
from embedder.rewards.label_report import LabelReport
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
            proposed = zip(job.to_judge, self.preparation.finder(job).propose(job.to_judge), strict=True)
            scored = total = 0
            for chunk in chunks(proposed):
                scored_here, prompts_here = (0, 0) if judge is None else judge.count_scored(chunk)
                scored, total = scored + scored_here, total + prompts_here
            logger.info(
                "%s/%s: not prepared yet, %d of %d prompts are scored; action=prepare with the same settings resumes",
                task.name,
                dataset.name,
                scored,
                total,
            )
            return None
        prepared.check()
        manifest = prepared.manifest()
        make_rewards(task, prepared, self.preparation.rewards)
        report = label_report(prepared.records("train"))
        early = manifest["labelling"].get("early_stop")
        stopped = f"\n{EarlyStopReport.from_json(early)}" if early else ""
        logger.info("%s/%s\n%s%s", task.name, dataset.name, report.render(), stopped)
        write_atomically(
            (prepared.rewards or prepared.directory) / "report.json",
            json.dumps(report.as_json() | {"early_stop": early}, indent=1),
        )
        return report
