"""What a task is: its instructions, lengths, objective and sampling."""

from dataclasses import dataclass

from embedder.data.prompts import QuestionPrompt
from embedder.errors import ConfigError, check_types
from embedder.training.objective import Objective
from embedder.training.sampling import Sampling
from embedder.types import TaskSides


@dataclass(frozen=True)
class Task:
    """One task of a mix.

    Args:
        name: As in logged names (`train/<name>/loss`) and in the names of exported prompts.
        query_instruction: Prefix of every query, at training and at inference.
        key_instruction: Prefix of every key.
        query_max_length: Tokens of a query, instruction and special tokens included.
        key_max_length: Tokens of a key.
        objective: The losses of the task.
        sampling: How a group is drawn from a record.
        weight: Share of the steps, relative to the other tasks of the mix.
        prompt: How a query and its keys are shown to the LLM; None for tasks that no LLM judges or answers.
    """

    name: str
    query_instruction: str
    key_instruction: str
    query_max_length: int
    key_max_length: int
    objective: Objective
    sampling: Sampling
    weight: float = 1.0
    prompt: QuestionPrompt | None = None

    @property
    def sides(self) -> TaskSides:
        """The part of the task that inference needs."""
        return TaskSides(self.query_instruction, self.key_instruction, self.query_max_length, self.key_max_length)

    def __post_init__(self) -> None:
        check_types(self, f"tasks.{self.name}")
        for side in ("query", "key"):
            length = getattr(self, f"{side}_max_length")
            if length < 8:
                raise ConfigError(f"tasks.{self.name}.{side}_max_length", "8 or more tokens", length)
        if self.weight < 0:
            raise ConfigError(f"tasks.{self.name}.weight", "0 or more", self.weight)
