"""How the base encoder reads texts, and the tasks of a query-only training, whose keys are read in the same way."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from embedder.encoders.encoder import TextEncoder
from embedder.encoders.query_only import deployed_keys
from embedder.preparation.dense import read_by
from embedder.training.task import Task
from embedder.types import TaskSides

logger = logging.getLogger(__name__)


def as_trained(tasks: Mapping[str, Task], encoder: TextEncoder) -> dict[str, Task]:
    """The tasks with the instructions that they leave to the encoder; query-only, its keys too, which is logged."""
    read = {name: read_by(encoder.config, task) for name, task in tasks.items()}
    named = {
        name: replace(task, query_instruction=read[name].query_instruction, key_instruction=read[name].key_instruction)
        for name, task in tasks.items()
    }
    return _with_deployed_keys(named, encoder) if encoder.query_only else named


def _with_deployed_keys(tasks: Mapping[str, Task], encoder: TextEncoder) -> dict[str, Task]:
    deployed = {}
    for name, reading in deployed_keys(encoder, tasks).items():
        task, length = tasks[name], encoder.length(reading.max_length)
        deployed[name] = replace(task, key_instruction=reading.instruction, key_max_length=length)
        if deployed[name].sides != task.sides:
            logger.info(
                "encoder.trainable=query: keys of %s are read as the base encoder has them, with the instruction %r "
                "and up to %d tokens; the task says %r and %d, which would need another index",
                name,
                *(reading.instruction, length, task.key_instruction, task.key_max_length),
            )
    return deployed


def sides_of_base(tasks: Mapping[str, Task], encoder: TextEncoder) -> dict[str, TaskSides]:
    """How an encoder reads the tasks as long as it is not trained: with its own prompts.

    Args:
        tasks: As they are set.
        encoder: One that could be trained; if its keys are to stay, the base encoder's index has them.
    """
    sides = {name: read_by(encoder.config, task, instructions=False) for name, task in tasks.items()}
    if encoder.query_only:
        for name, key in deployed_keys(encoder, tasks).items():
            length = encoder.length(key.max_length)
            sides[name] = replace(sides[name], key_instruction=key.instruction, key_max_length=length)
    return sides
