"""The data sets of a task mix: which there are, and which of them can be trained on."""

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from embedder.data.forms.form import Form
from embedder.data.sources import Dataset
from embedder.errors import ConfigError
from embedder.training.task import Task

logger = logging.getLogger(__name__)


class Source(Protocol):
    """Names the data sets of a task."""

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """At least one; `form` is how they may lie on disk, beside by id."""
        ...


def dataset_pairs(source: Source, tasks: Mapping[str, Task]) -> list[tuple[Task, Dataset]]:
    """All data sets of a task mix, each with its task.

    Raises:
        ConfigError: Two data sets of a task have one name, which would make their scores one, or a task is not called
            as its settings are.
    """
    for key, task in tasks.items():
        if key != task.name:
            raise ConfigError(f"tasks.{key}.name", f"{key!r}, as the settings of this task are called", task.name)
    pairs = [(task, dataset) for task in tasks.values() for dataset in source.datasets(task.name, task.form)]
    names = [(task.name, dataset.name) for task, dataset in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError("source.path", "data sets of different names", f"{twice[0][0]}/{twice[0][1]} twice")
    return pairs


def trainable(pairs: Sequence[tuple[Task, Dataset]]) -> list[tuple[Task, Dataset]]:
    """Of the data sets of a mix those that have something to train on; see `having`."""
    return having(pairs, "train", otherwise="tests")


def having(
    pairs: Sequence[tuple[Task, Dataset]], role: Literal["train", "test"], *, otherwise: str
) -> list[tuple[Task, Dataset]]:
    """Of the data sets of a mix those that have a file of a role, or published records; the log names the others.

    Args:
        pairs: Each with its task.
        role: Of the file.
        otherwise: What a data set without it is used for.

    Raises:
        DataError: A task has none.
    """
    usable = [pair for pair in pairs if pair[1].records is not None or getattr(pair[1], role) is not None]
    for task, dataset in pairs:
        if (task, dataset) in usable:
            continue
        if all(other.name != task.name for other, _ in usable):
            dataset.file(role)  # the error that says what is missing
        logger.info("%s/%s has no %s.jsonl, so it is used for %s only", task.name, dataset.name, role, otherwise)
    return usable
