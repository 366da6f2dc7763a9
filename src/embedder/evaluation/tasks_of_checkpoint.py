"""Which tasks are evaluated where no task mix is named: those that the checkpoint was trained on."""

import logging
from collections.abc import Mapping

from embedder.data.sources import Dataset
from embedder.encoders.checkpoint import training_of
from embedder.errors import ConfigError
from embedder.preparation.datasets import Source, dataset_pairs
from embedder.training.task import Task

logger = logging.getLogger(__name__)

_WITHOUT_A_CHECKPOINT = "qa"


def tasks_of_checkpoint(tasks: Mapping[str, Task], checkpoint: str | None) -> dict[str, Task]:
    """The tasks of a checkpoint; qa without one, and for a model that was trained elsewhere.

    Args:
        tasks: All that are known, by name.
        checkpoint: A file or a folder.

    Raises:
        ConfigError: It was trained on a task that is not known, as one of the user's own.
    """
    names = training_of(checkpoint).tasks if checkpoint is not None else ()
    by_name = {task.name: task for task in tasks.values()}
    if unknown := [name for name in names if name not in by_name]:
        expected = (
            f"the file of each task of the checkpoint, which was trained on {list(names)} ('~task_mix' "
            f"+task@tasks.{unknown[0]}={unknown[0]}, as in training), or another mix"
        )
        raise ConfigError("task_mix", expected, sorted(by_name))
    chosen = {name: by_name[name] for name in names or [_WITHOUT_A_CHECKPOINT] if name in by_name}
    if not chosen:
        raise ConfigError(
            "task_mix", "the name of a mix, since there is no checkpoint to take tasks from", sorted(by_name)
        )
    if names:
        logger.info("tasks of the checkpoint: %s", ", ".join(chosen))
    return chosen


def tasks_with_data(tasks: Mapping[str, Task], source: Source) -> dict[str, Task]:
    """Those of the tasks that the source has data sets for; the log names the others.

    Raises:
        ConfigError: It has none of any.
    """
    with_data = {}
    for name, task in tasks.items():
        try:
            source.datasets(task.name, task.form)
        except ConfigError as error:
            if error.setting != "source.path" or len(tasks) == 1:
                raise
            logger.warning("task %s of the checkpoint is left out, because the source has no data set for it", name)
        else:
            with_data[name] = task
    if not with_data:
        raise ConfigError("source.path", f"data sets of a task among {list(tasks)}", "none")
    return with_data


def evaluated_pairs(
    tasks: Mapping[str, Task], source: Source, checkpoint: str | None, *, of_checkpoint: bool
) -> list[tuple[Task, Dataset]]:
    """The data sets of a mix, each with its task; or those of the tasks that the checkpoint and the source have."""
    chosen = tasks_with_data(tasks_of_checkpoint(tasks, checkpoint), source) if of_checkpoint else tasks
    return dataset_pairs(source, chosen)
