"""Rewards from what an LLM writes: each query is a talk of one or more rounds, and all talks go on side by side."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

from embedder.rewards.maths import Numbers
from embedder.rewards.requests import LabelRequest
from embedder.rewards.tables import ScoreTable


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt for the LLM, which answers with one line.

    Args:
        prompt: Complete text.
        max_new_tokens: Length of the answer.
        n: Answers.
        temperature: 0 for the greedy answer.
        seed: Of sampled answers.
    """

    prompt: str
    max_new_tokens: int
    n: int = 1
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """What a talk about one query came to.

    Args:
        table: What rewards are computed from, a column for each answer or judgment.
        malformed: Judgments that the LLM did not give in the form asked for, however often it was asked.
    """

    table: ScoreTable
    malformed: int = 0


Talk = Generator[Sequence[Ask], list[list[str]], Judged]
"""Yields the asks of a round, takes the answers to each, and returns what they came to."""

Write = Callable[[Sequence[Ask]], list[list[str]]]
"""The answers to each ask: by the LLM, or from its store."""


class WrittenReward(Protocol):
    """A reward that is computed from texts: a dataclass whose fields and `texts` are all that its table depends on."""

    waves: bool
    """Whether candidates can be judged in waves, each wave without the candidates of later ones (early stop)."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What it says to the LLM in words of its own."""

    def talk(self, request: LabelRequest) -> Talk:
        """Judge the candidates of one query."""

    def __call__(self, table: ScoreTable) -> Numbers:
        """One reward for each candidate, [..., C]."""


def is_written(reward: Any) -> TypeGuard[WrittenReward]:
    """Whether a reward is computed from texts and not from log-likelihoods."""
    return hasattr(reward, "talk")


def mean_gain(table: ScoreTable) -> Numbers:
    """What the mean of a candidate's columns is above that without a candidate, [..., C]."""
    means: Numbers = table.sums.mean(axis=-1)  # [..., 1 + C]
    return means[..., 1:] - means[..., :1]


def converse(talks: Sequence[Talk], write: Write) -> list[Judged]:
    """Run all talks, round by round, so that the LLM has the asks of all of them at once."""
    results: dict[int, Judged] = {}
    asked: dict[int, Sequence[Ask]] = {}

    def step(number: int, answers: list[list[str]] | None) -> None:
        try:
            asked[number] = next(talks[number]) if answers is None else talks[number].send(answers)
        except StopIteration as end:
            results[number] = end.value

    for number in range(len(talks)):
        step(number, None)
    while asked:
        round_asks, asked = asked, {}
        answers = iter(write([ask for asks in round_asks.values() for ask in asks]))
        for number, asks in round_asks.items():
            step(number, [next(answers) for _ in asks])
    return [results[number] for number in range(len(talks))]
