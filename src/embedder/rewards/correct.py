"""Reward a candidate for the answers that the LLM writes with it: are they right, where those without it are not?"""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from embedder.bounds import NonNegativeFloat, PositiveInt, Seed
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.metrics.text import contains, exact_match, f1
from embedder.rewards.asking import Ask, Judged, Talk, mean_gain
from embedder.rewards.maths import Numbers
from embedder.rewards.requests import LabelRequest
from embedder.rewards.tables import ScoreTable

_JUDGE = """\
Question: {question}
Correct answer: {answers}
Given answer: {written}

Does the given answer mean the same as the correct answer? Write yes or no, and nothing else.
Reply:"""
_VERDICT = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_VERDICT_TOKENS = 4


@checked("reward")
@dataclass(frozen=True)
class CorrectReward:
    """How much righter the LLM's answers become with the candidate in the prompt.

        reward = mean over answers with the candidate of metric(answer) - the same without a candidate

    Args:
        metric: `em` (exact match), `f1` (overlap of words), `contains` (a gold answer is a part of the answer), each
            after the answer normalisation of SQuAD, or `judged`: the LLM says yes or no in a prompt of its own. An
            exact match is right and an empty answer wrong without a judgment.
        n_samples: Answers for each prompt.
        temperature: 0 for the greedy answer, of which there is one.
        max_new_tokens: Length of an answer.
        attempts: Times that the judge is asked where it says neither yes nor no, sampled with another seed from the
            second on; after the last the answer counts as wrong, and it is counted.
        seed: Of what is sampled.

    Raises:
        ConfigError: Several greedy answers are asked for.
    """

    metric: Literal["em", "f1", "contains", "judged"] = "em"
    n_samples: PositiveInt = 1
    temperature: NonNegativeFloat = 0.0
    max_new_tokens: PositiveInt = 16
    attempts: PositiveInt = 3
    seed: Seed = 0
    waves = True

    def __post_init__(self) -> None:
        if self.n_samples > 1 and not self.temperature:
            expected = f"above 0 for {self.n_samples} different answers (reward.n_samples)"
            raise ConfigError("reward.temperature", expected, self.temperature)

    @property
    def texts(self) -> tuple[str, ...]:
        """The prompt of the judge."""
        return (_JUDGE,) if self.metric == "judged" else ()

    def __call__(self, table: ScoreTable) -> Numbers:
        """One reward for each candidate, from -1 to 1, [..., C]."""
        return mean_gain(table)

    def talk(self, request: LabelRequest) -> Talk:
        """Have the query answered without a candidate and with each, then judged where that is the metric."""
        written = yield [
            Ask(prompt, self.max_new_tokens, self.n_samples, self.temperature, self.seed) for prompt in request.prompts
        ]
        gold = [answer.strip() for answer in request.answers if answer.strip()]
        distinct = list(dict.fromkeys(text for own in written for text in own))
        malformed = 0
        if self.metric == "judged":
            grades, malformed = yield from self._judge(request.question, gold, distinct)
        else:
            grades = {text: self._grade(text, gold) for text in distinct}
        values = np.array([[grades[text] for text in own] for own in written], dtype=np.float64)  # [1 + C, n_samples]
        return Judged(ScoreTable(values, np.ones(values.shape, dtype=np.int32), self.n_samples), malformed)

    def _grade(self, text: str, gold: Sequence[str]) -> float:
        if not text.strip():  # SQuAD's rule would take nothing for right where a gold answer is an article
            return 0.0
        return float({"f1": f1, "contains": contains}.get(self.metric, exact_match)(text, gold))

    def _judge(
        self, question: str, gold: Sequence[str], texts: Sequence[str]
    ) -> Generator[Sequence[Ask], list[list[str]], tuple[dict[str, float], int]]:
        grades = {text: 1.0 if text.strip() and exact_match(text, gold) else 0.0 for text in texts}
        open_texts = [text for text in texts if text.strip() and not grades[text]]
        for attempt in range(self.attempts):
            if not open_texts:
                break
            prompts = [
                _JUDGE.format(question=question.strip(), answers=" / ".join(gold), written=text) for text in open_texts
            ]
            # Nothing but the seed can change what is said again.
            replies = yield [
                Ask(prompt, _VERDICT_TOKENS, 1, 1.0 if attempt else 0.0, self.seed + attempt) for prompt in prompts
            ]
            verdicts = {text: _VERDICT.match(reply) for text, (reply,) in zip(open_texts, replies, strict=True)}
            grades |= {text: float(found[1].lower() == "yes") for text, found in verdicts.items() if found is not None}
            open_texts = [text for text, found in verdicts.items() if found is None]
        return grades, len(open_texts)
