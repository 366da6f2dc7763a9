"""One run of an ablation: a variant of a recipe is trained, then scored on queries that it was not trained on."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

from embedder.ablation.variant import Variant
from embedder.checks import checked
from embedder.data.forms.form import Form
from embedder.data.prepared import PreparedDataset
from embedder.data.sources import Dataset
from embedder.entry.run_folder import is_first_process
from embedder.preparation.datasets import Source
from embedder.preparation.preparation import Preparation
from embedder.preparation.prepare import prepare
from embedder.training.task import Task

logger = logging.getLogger(__name__)


class Run(Protocol):
    """What evaluates."""

    def run(self) -> float | None:
        """Do the work; returns the number that a sweep optimises."""
        ...


class Training(Run, Protocol):
    """What trains."""

    @property
    def made_of(self) -> Mapping[str, Any]:
        """The data and models that decide the weights."""
        ...


class Switched(Protocol):
    """Settings of what a run may leave out."""

    @property
    def off(self) -> "Switched":
        """The same, left out."""
        ...


@dataclass(frozen=True)
class ValidationAsTest:
    """The data sets of another source, with their validation queries in place of test queries.

    So that what is chosen by the scores is not chosen on the test set, which stays unread.

    Args:
        source: The other source.
        prepared: Its data sets, prepared for training.
    """

    source: Source
    prepared: Sequence[PreparedDataset]

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """See `Source`; training queries are those that are trained on."""
        folders = {(one.task, one.name): one.directory for one in self.prepared}
        return [
            replace(
                dataset,
                train=folders[task, dataset.name] / "train.queries.jsonl",
                test=folders[task, dataset.name] / "queries.jsonl",
                before_split=None,
            )
            for dataset in self.source.datasets(task, form)
            if (task, dataset.name) in folders
        ]


@checked("run")
@dataclass(frozen=True)
class TrialRun:
    """What `train.py experiment=ablation` does; with `-m`, once for each variant and seed.

    Args:
        variant: What is changed.
        tasks: The task mix.
        preparation: Makes the records that are missing.
        train: Makes the training, given `tasks` and `reindex`.
        reindex: When and how training finds new hard negatives.
        evaluate: Makes the evaluation, given `source` and `checkpoint`; `rag_enabled` is in its signature.
        output_dir: Of the training, which exports into `export` in it.
    """

    variant: Variant
    tasks: dict[str, Task]
    preparation: Preparation
    train: Callable[..., Training]
    reindex: Switched
    evaluate: Callable[..., Run]
    output_dir: str

    @property
    def made_of(self) -> dict[str, Any]:
        """The data and models that decide weights and scores; see `Run`."""
        tasks = self.variant.of(self.tasks)
        consumes = any(task.consumer is not None for task in tasks.values())
        asked = consumes and signature(self.evaluate).parameters["rag_enabled"].default
        llm = self.preparation.rewards.language_model.fingerprint if asked else None
        return {**self._training(tasks).made_of, "llm": llm}

    def run(self) -> float | None:
        """Train and score; started again in its folder, both resume.

        Returns:
            What the evaluation optimises; None from all but the first of the processes that train together.
        """
        tasks = self.variant.of(self.tasks)
        self._training(tasks).run()
        if not is_first_process():
            return None
        source = ValidationAsTest(self.preparation.source, prepare(tasks, self.preparation))
        return self.evaluate(source=source, checkpoint=str(Path(self.output_dir) / "export")).run()

    def _training(self, tasks: Mapping[str, Task]) -> Training:
        reindex = self.reindex if self.variant.reindexing else self.reindex.off
        return self.train(tasks=tasks, reindex=reindex)
