"""What a task is: its instructions, lengths, objective and sampling."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from embedder.bounds import Bound, NonNegativeFloat, Share
from embedder.checks import check_types, checked
from embedder.data.forms.form import Form
from embedder.data.prompts import Prompt
from embedder.errors import ConfigError
from embedder.shown import shown
from embedder.training.budget import Budget
from embedder.training.objective import Objective
from embedder.training.sampling import Sampling
from embedder.types import Keep, TaskSides

MIXED = "mixed"
"""The name of a step over all tasks where others have that of their task; so no task has it."""
_Length = Annotated[int, Bound("8 or more tokens", at_least=8)]
_Queries = Annotated[int, Bound("2 or more (one for validation)", at_least=2)]


@checked("task.labelling")
@dataclass(frozen=True)
class Labelling:
    """What a task sets for the labelling of its own candidates; None keeps what `prepare.rewards` says.

    Preparation reads it, training does not. It is defined here because a task is one file of settings.

    Args:
        reward: From stored log-likelihoods to rewards.
        n_outputs: Sampled competitors; 0 for none, where the reward needs none.
        max_new_tokens: Length of a sampled competitor.
        min_reward_gap: Rewards of training records whose best and worst differ by less are left out: they teach
            nothing. Such a record trains on its labels, if it has some and the objective has a loss for them.
        max_train_queries: So many training queries of a data set are used at most, judged or not.
        budget: How many of these the LLM judges.
    """

    reward: Callable[..., Any] | None = None
    n_outputs: int | None = None
    max_new_tokens: int | None = None
    min_reward_gap: NonNegativeFloat = 0.0
    max_train_queries: _Queries | None = None
    budget: Budget | None = None

    def most(self, of_any_task: int | None) -> int | None:
        """How many training queries of a data set are used at most: the smaller of two limits; None for all."""
        limits = (self.max_train_queries, of_any_task)
        return min((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True)
class Task:
    """One task of a mix.

    Args:
        name: As in logged names (`train/<name>/loss`) and in the names of exported prompts.
        query_instruction: Prefix of every query, at training and at inference; None for the prompt of the encoder's own
            folder, if it has one.
        key_instruction: Prefix of every key; None likewise.
        query_max_length: Tokens of a query, instruction and special tokens included.
        key_max_length: Tokens of a key.
        objective: The losses of the task.
        sampling: How a group is drawn from a record.
        weight: Share of the steps, relative to the other tasks of the mix.
        prompt: How a query and its keys are shown to the LLM; None for tasks that no LLM judges or answers.
        query_keep: Which part of a query longer than `query_max_length` is read, its `start` or its `end`.
        form: How data sets of the task may lie on disk, beside by id.
        labelling: How candidates of the task are judged, where that differs from the other tasks.
        dense_share: Of the encoder's scores where they are blended with BM25's (the row `hybrid`); the rest are BM25's.
        consumer: What the LLM does with the retriever at evaluation (a `Consumer` of the room `evaluation`); None where
            retrieval is scored alone.
    """

    name: str
    query_instruction: str | None
    key_instruction: str | None
    query_max_length: _Length
    key_max_length: _Length
    objective: Objective
    sampling: Sampling
    weight: NonNegativeFloat = 1.0
    prompt: Prompt | None = None
    query_keep: Keep = "start"
    form: Form | None = None
    labelling: Labelling = field(default_factory=Labelling)
    dense_share: Share = 0.7
    consumer: Any = None

    @property
    def sides(self) -> TaskSides:
        """The part of the task that inference needs; `preparation.dense.read_by` fills in the encoder's own prompts."""
        return TaskSides(
            self.query_instruction or "",
            self.key_instruction or "",
            self.query_max_length,
            self.key_max_length,
            self.query_keep,
        )

    def missing(self, *, labelled: bool, judged: bool) -> str | None:
        """Why no loss applies to a record that has labels, rewards or neither, as the end of a message; or None."""
        if self.objective.applies_to(labelled=labelled, judged=judged):
            return None
        what = f"the objective of task {self.name!r}"
        if not self.objective.needs_rewards:
            return f"{what} is contrastive, but this record has no 'pos'"
        if not self.objective.needs_positives:
            return f"{what} distils rewards, but this record has no 'teacher_scores'"
        return f"{what} trains on labels and on rewards, but this record has neither 'pos' nor 'teacher_scores'"

    def __post_init__(self) -> None:
        if not self.name or shown(self.name) != self.name:
            raise ConfigError("tasks.NAME.name", "a short name without control characters", self.name)
        if self.name == MIXED:
            raise ConfigError("tasks.NAME.name", "another name, since batches over all tasks are logged as that", MIXED)
        check_types(self, f"tasks.{self.name}")
