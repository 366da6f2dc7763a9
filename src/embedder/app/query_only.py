"""Tasks of a query-only training, whose keys are read as the base encoder's index has them."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from embedder.encoders.encoder import TextEncoder
from embedder.encoders.query_only import deployed_keys
from embedder.training.task import Task

logger = logging.getLogger(__name__)


def with_deployed_keys(tasks: Mapping[str, Task], encoder: TextEncoder) -> dict[str, Task]:
    """The tasks as they are trained; of an encoder whose keys are trained, as they are. What changes is logged."""
    if not encoder.query_only:
        return dict(tasks)
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
