"""Prepare a task mix: propose candidates, let the LLM judge them, write the records that training reads."""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedder.data.overlap import Overlap, trained_on
from embedder.data.prepared import PreparedDataset
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, DataError
from embedder.files import remove_orphans, whole_folder
from embedder.launched import n_launched
from embedder.locks import in_turn
from embedder.preparation.datasets import dataset_pairs, trainable
from embedder.preparation.import_records import import_records
from embedder.preparation.job import Job
from embedder.preparation.kept_candidates import remove_unread
from embedder.preparation.labelling import Engine, Labelling
from embedder.preparation.preparation import Preparation
from embedder.preparation.reward_files import make_rewards
from embedder.preparation.validation import held_out_together
from embedder.preparation.write_records import write_records
from embedder.processes import Processes
from embedder.training.task import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PrepareRun:
    """`prepare.py`: prepare all data sets, or label one part of their queries into the store.

    Args:
        tasks: The task mix.
        preparation: How it is prepared.
        engine: Where the LLM judges; None for this process alone.
        shard: A part such as `3/16`; None prepares everything.
    """

    tasks: dict[str, Task]
    preparation: Preparation
    engine: Engine | None = None
    shard: str | None = None

    @property
    def kept(self) -> str:
        """What a stopped run leaves."""
        return self.preparation.kept

    def run(self) -> list[PreparedDataset]:
        """Prepare all data sets; nothing is returned for a part."""
        if self.shard is None:
            return prepare(self.tasks, self.preparation, self.engine)
        part = _part(self.shard)
        if (n := n_launched()) > 1:
            expected = f"null, since the {n} processes of torchrun or srun share all queries out among themselves"
            raise ConfigError("shard", expected, self.shard)
        self._check_budget()
        with in_turn(Path(self.preparation.rewards.store) / f".part-{part.rank + 1}-of-{part.size}.lock"):
            Labelling.of(self.tasks, self.preparation).part(part, alone=True)
        logger.info("when all parts are labelled, run this again without shard to write the records")
        return []

    def _check_budget(self) -> None:
        """Refuse limits whose end a part cannot know."""
        for task in self.tasks.values():
            if task.objective.needs_rewards and self.preparation.rewards.of_task(task).budget.is_open:
                expected = "queries alone, since a part does not know what the others have spent"
                raise ConfigError("prepare.rewards.budget", expected, "tokens or minutes")


def prepare(
    tasks: Mapping[str, Task], preparation: Preparation, engine: Engine | None = None, devices: Sequence[int] = ()
) -> list[PreparedDataset]:
    """Prepare every data set of every task; what cannot be prepared is an error before anything is labelled.

    What is already prepared with the same inputs and settings is left as it is.

    Args:
        tasks: The task mix.
        preparation: How it is prepared.
        engine: Where the LLM judges; None for this process alone.
        devices: Numbers of the devices that training will use, for an engine that labels on all of them.

    Returns:
        The data sets, none of which trains on what another one holds out.
    """
    pairs = dataset_pairs(preparation.source, tasks)
    overlap = trained_on([dataset for _, dataset in pairs])
    to_do = []
    for task, dataset in trainable(pairs):
        prepared = preparation.prepared(task, dataset)
        remove_orphans(prepared.directory.parent)
        remove_unread(prepared.directory.parent)
        if prepared.is_complete:
            prepared.check()
        # Made for all data sets first: it reads and checks every line.
        needs_job = not prepared.is_complete and dataset.records is None
        job = preparation.job(task, dataset) if needs_job else None
        to_do.append((task, dataset, prepared, job))
    for task in tasks.values():
        if task.objective.needs_rewards and task.labelling.reward is not None:
            logger.info("%s: rewards are %r, which the task sets itself", task.name, task.labelling.reward)
    shared = [job for _, _, _, job in to_do if job is not None and _can_be_shared(job, preparation)]
    if engine is not None and shared:
        engine.label(Labelling(tasks, preparation, shared), devices)
    for task, dataset, prepared, job in to_do:
        name = f"{task.name}/{dataset.name}"
        if prepared.is_complete:
            logger.info("%s: already prepared in %s", name, prepared.directory)
        else:
            _write_in_turn(task, dataset, prepared, job, preparation, overlap.get(dataset))
            logger.info("%s: %s in %s", name, prepared.manifest()["counts"], prepared.directory)
        shutil.rmtree(preparation.candidates_folder(prepared), ignore_errors=True)
        make_rewards(task, prepared, preparation.rewards)
    return held_out_together([prepared for _, _, prepared, _ in to_do])


def _part(text: str) -> Processes:
    """The part of the queries that a text such as `3/16` names: that of the third of 16 processes."""
    number, _, of = str(text).partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise ConfigError("shard", "a part such as 3/16", text)
    return Processes(int(number) - 1, int(of))


def _can_be_shared(job: Job, preparation: Preparation) -> bool:
    """Whether several processes may judge for a data set."""
    if not preparation.is_judged(job):
        return False
    if preparation.rewards.of_task(job.task).budget.is_open:
        # Which query is the last one depends on what all before it have cost.
        name = f"{job.task.name}/{job.dataset.name}"
        logger.info("%s: its budget is in tokens or minutes, so a single process spends it", name)
        return False
    return True


def _write_in_turn(
    task: Task,
    dataset: Dataset,
    prepared: PreparedDataset,
    job: Job | None,
    preparation: Preparation,
    overlap: Overlap | None,
) -> None:
    """Write the records of a data set; without a job, those of a published file."""
    # Processes of one run (torchrun, srun) and jobs of a sweep come here at once: one asks the LLM for all.
    with in_turn(prepared.directory.with_name(f".{prepared.directory.name}.lock")) as waited:
        if prepared.is_complete:
            return
        if waited and n_launched() > 1:
            message = "the process of this run that prepared this data set ended before it was done: see above"
            raise DataError(dataset.name, None, message)
        with whole_folder(prepared.directory) as partial:
            if job is not None:
                job, judge = preparation.spent(job, prepared), preparation.judge(job)
                counts, labelling = write_records(job, preparation.proposed(job), judge, partial)
            else:
                counts = import_records(
                    dataset.file("records"), task, preparation.validation, partial, preparation.max_train_queries
                )
                labelling = {}
            manifest = {
                "protocol": preparation.protocol(task, dataset),
                "test_questions_trained_on": None if overlap is None else overlap.as_json(),
                "counts": counts,
                "labelling": labelling,
            }
            (partial / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
