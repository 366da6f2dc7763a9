"""Checks of instructions: whether they fit the lengths of their sides, and whether they look like a mistake."""

import logging
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from embedder.errors import ConfigError
from embedder.shown import shown
from embedder.training.collate import Tokens
from embedder.training.task import Task

logger = logging.getLogger(__name__)

_LEAST_TEXT = 4  # tokens of a text beside its instruction


def check_instructions(tasks: Mapping[str, Task], tokenize: Callable[[Sequence[str], str], Tokens]) -> None:
    """An instruction that fills the length of its side would make all texts one; one may run into the text.

    Args:
        tasks: The task mix.
        tokenize: Of texts with an instruction, in full.

    Raises:
        ConfigError: No room is left beside an instruction.
    """
    for name, task in tasks.items():
        for side in ("query", "key"):
            length = getattr(task.sides, f"{side}_max_length")
            instruction = getattr(task.sides, f"{side}_instruction")
            n = tokenize([""], instruction)["input_ids"].shape[1]
            if length < n + _LEAST_TEXT:
                expected = f"{n + _LEAST_TEXT} or more, since the instruction takes {n} tokens"
                raise ConfigError(f"tasks.{name}.{side}_max_length", expected, length)
            if doubt := instruction_doubt(instruction):
                logger.warning("tasks.%s.%s_instruction %s: '%s'", name, side, doubt, shown(instruction))


def instruction_doubt(instruction: str) -> str | None:
    """What in an instruction is probably a mistake, as the end of a sentence about it; None if nothing is.

    The text follows it at once, so that one without white space at its end runs into the first word. Scripts that do
    not part words by spaces, and their punctuation, are wide characters.
    """
    if "\\n" in instruction:
        return "has a backslash and an n written out, where a line break was probably meant (quote it in YAML)"
    if instruction and not instruction[-1].isspace() and unicodedata.east_asian_width(instruction[-1]) not in "WF":
        return "has no blank at its end, so that it runs into the text"
    return None
