"""`prepare.py action=report`: what labels and rewards of prepared data sets look like, and what is not yet scored."""

import json
import logging
from dataclasses import asdict, dataclass

from embedder.audit.audit import audit
from embedder.audit.page import LabelsView, render
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
    """`prepare.py action=report`: what the labels and rewards of prepared data sets look like.

    Args:
        tasks: The task mix.
        preparation: How it was prepared.
    """

    tasks: dict[str, Task]
    preparation: Preparation

    def run(self) -> list[LabelReport]:
        """Log what the stores hold and one report a data set.

        `report.json` and the page `report.html` are kept beside the rewards, or beside the records that have none.
        """
        reports = []
        if any(task.objective.needs_rewards for task in self.tasks.values()):
            logger.info("the stores\n%s", self.preparation.rewards.stored_language_model().describe())
        for task in self.tasks.values():
            for _, dataset in self.preparation.datasets({task.name: task}):
                if (report := self._report(task, dataset)) is not None:
                    reports.append(report)
        return reports

    def _report(self, task: Task, dataset: Dataset) -> LabelReport | None:
        name = f"{task.name}/{dataset.name}"
        prepared = self.preparation.prepared(task, dataset)
        if not prepared.is_complete and dataset.records is None:
            self._count_scored(task, dataset, name)
            return None
        prepared.check()
        folder, report = prepared.rewards or prepared.directory, None
        if task.objective.needs_rewards:
            make_rewards(task, prepared, self.preparation.rewards)
            report = label_report(prepared.records("train"))
            early = prepared.manifest()["labelling"].get("early_stop")
            stopped = f"\n{EarlyStopReport.from_json(early)}" if early else ""
            logger.info("%s\n%s%s", name, report.render(), stopped)
            write_atomically(folder / "report.json", json.dumps(asdict(report) | {"early_stop": early}, indent=1))
        else:
            logger.info("%s: trained on labels alone, no rewards", name)
        records = prepared.records("train")
        found = audit(records)
        for what, own in (("false negatives", found.false_negatives), ("wrong labels", found.wrong_labels)):
            signs = "".join(f"; {n}: {sign}" for sign, n in own.signs.most_common())
            logger.info("%s: %d of %d suspected as %s%s", name, own.suspected, own.keys, what, signs)
        write_atomically(folder / "report.html", render(LabelsView(name, str(records.path), report, found)))
        logger.info("%s: the page of its labels is %s", name, folder / "report.html")
        return report

    def _count_scored(self, task: Task, dataset: Dataset, name: str) -> None:
        """Log how many prompts of a data set that is not prepared are in the store."""
        if not task.objective.needs_rewards:
            logger.info("%s: not prepared yet", name)
            return
        job = self.preparation.job(task, dataset)
        judge = self.preparation.judge(job)
        proposed = zip(job.to_judge, self.preparation.finder(job).propose(job.to_judge), strict=True)
        scored = total = 0
        for chunk in chunks(proposed, job.judged):
            scored_here, prompts_here = (0, 0) if judge is None else judge.count_scored(chunk)
            scored, total = scored + scored_here, total + prompts_here
        message = "%s: not prepared yet, %d of %d prompts are scored; action=prepare with the same settings resumes"
        logger.info(message, name, scored, total)
