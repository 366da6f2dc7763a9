"""Reward a candidate for its rank when the LLM puts all candidates of a query in order."""

import hashlib
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from embedder.bounds import PositiveInt, Seed
from embedder.checks import checked
from embedder.data.prompts import first_words
from embedder.errors import ConfigError
from embedder.rewards.asking import Ask, Judged, Talk, mean_gain
from embedder.rewards.maths import Numbers
from embedder.rewards.requests import LabelRequest
from embedder.rewards.tables import ScoreTable

_RANK = """\
Query: {question}
{answer}
{n} passages:
{passages}

Put the {n} passages in order of how well each helps to answer the query, the most helpful first. \
Write all {n} numbers in one line, such as {example}, and nothing else.
Order:"""
_ANSWER = "Right answer: {answers}\n"
_ORDER = re.compile(r"\[?\d+\]?(?:\s*[>,]\s*\[?\d+\]?)*\.?")
_TOKENS_A_NUMBER = 6

_Ranking = Generator[Sequence[Ask], list[list[str]], list[int] | None]


@checked("reward")
@dataclass(frozen=True)
class ListwiseReward:
    """The rank of the candidate in an order that the LLM writes, from 1 for the first to 0 for the last.

        reward = mean over passes of (C - rank) / (C - 1)

    The candidates of a pass are numbered in an order drawn by the seed, since an LLM prefers what stands at certain
    positions. More candidates than `window` are put in order from the last to the first: a window of them, then one
    that is half a window further, so that the best wander to the front.

    A reply that is no permutation of the numbers is asked for again with the candidates in another order; where it
    never is one, the pass says nothing about this query, and it is counted.

    Source: Sun et al., EMNLP 2023 (arXiv 2304.09542), the windows.

    Args:
        window: Candidates in one prompt, at most.
        passes: Orders that are averaged, each from another order of the candidates.
        attempts: Times that one window is asked for.
        show_answer: Whether the LLM reads the gold answers, which labelling knows and retrieval does not.
        max_words: Longer candidates are cut to so many words.
        seed: Of the orders in which candidates are shown.
    """

    window: PositiveInt = 10
    passes: PositiveInt = 1
    attempts: PositiveInt = 3
    show_answer: bool = True
    max_words: PositiveInt = 100
    seed: Seed = 0
    waves = False

    def __post_init__(self) -> None:
        if self.window < 2:
            raise ConfigError("reward.window", "2 or more candidates", self.window)

    @property
    def texts(self) -> tuple[str, ...]:
        """The prompt, and how the answer stands in it."""
        return (_RANK, _ANSWER)

    def __call__(self, table: ScoreTable) -> Numbers:
        """One reward for each candidate, from 0 to 1, [..., C]."""
        return mean_gain(table)

    def talk(self, request: LabelRequest) -> Talk:
        """Have the candidates put in order, pass after pass."""
        n, malformed = len(request.candidates), 0
        values = np.zeros((1 + len(request.candidate_prompts), self.passes))
        for number in range(self.passes if n > 1 else 0):
            order = yield from self._ordered(request, self._shuffled(request, range(n), f"pass {number}"))
            if order is None:
                malformed += 1
            else:
                values[1 + np.array(order), number] = 1 - np.arange(n) / (n - 1)
        return Judged(ScoreTable(values, np.ones(values.shape, dtype=np.int32), self.passes), malformed)

    def _ordered(self, request: LabelRequest, order: list[int]) -> _Ranking:
        """All candidates, best first; None where the LLM gave no order."""
        end = len(order)
        while True:
            start = max(0, end - self.window)
            judged = yield from self._window(request, order[start:end])
            if judged is None:
                return None
            order = [*order[:start], *judged, *order[end:]]
            if start == 0:
                return order
            end -= max(1, self.window // 2)

    def _window(self, request: LabelRequest, shown: Sequence[int]) -> _Ranking:
        for attempt in range(self.attempts):
            numbered = list(shown) if not attempt else self._shuffled(request, shown, f"attempt {attempt}")
            ((reply,),) = yield [Ask(self._prompt(request, numbered), _TOKENS_A_NUMBER * len(numbered))]
            positions = permutation(reply, len(numbered))
            if positions is not None:
                return [numbered[position] for position in positions]
        return None

    def _prompt(self, request: LabelRequest, numbered: Sequence[int]) -> str:
        passages = [f"[{k}] {first_words(request.candidates[i], self.max_words)}" for k, i in enumerate(numbered, 1)]
        answers = " / ".join(answer.strip() for answer in request.answers if answer.strip())
        return _RANK.format(
            question=request.question.strip(),
            answer=_ANSWER.format(answers=answers) if self.show_answer else "",
            n=len(numbered),
            passages="\n".join(passages),
            example=" > ".join(f"[{k}]" for k in range(len(numbered), 0, -1)),
        )

    def _shuffled(self, request: LabelRequest, items: Sequence[int], what: str) -> list[int]:
        digest = hashlib.blake2b(f"{self.seed}/{what}/{request.prompt}".encode(), digest_size=8).digest()
        return [int(items[k]) for k in np.random.default_rng(int.from_bytes(digest, "little")).permutation(len(items))]


def permutation(reply: str, n: int) -> list[int] | None:
    """The positions, from 0, that a reply puts in order; None if it is anything but each of 1 to n once.

    >>> permutation("[2] > [3] > [1]", 3), permutation("2, 1", 3)
    ([1, 2, 0], None)
    """
    if _ORDER.fullmatch(reply.strip()) is None:
        return None
    positions = [int(number) - 1 for number in re.findall(r"\d+", reply)]
    return positions if sorted(positions) == list(range(n)) else None
