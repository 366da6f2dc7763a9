"""Did tuning help? The verdict on held-out questions, in numbers, in a sentence, and as the encoder that is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from embedder.errors import ConfigError
from embedder.results.measures import UNBOUNDED
from embedder.results.row import Row
from embedder.results.scores import Scores
from embedder.results.statistics import ALPHA
from embedder.results.titles import TITLES
from embedder.results.verdict import Verdict, corrected
from embedder.shown import quantity

_ANSWERS = ("score", "accuracy", "contains", "rouge_l", "perplexity", "log_likelihood")
_RETRIEVAL = ("ndcg@10", "answer_recall@10")
"""The metric of each kind: the first that both encoders have."""
_NAMES = {
    "contains": "an answer is right if it contains an expected one",
    "accuracy": "an answer is right if the right option is chosen",
    "ndcg@10": "nDCG@10 of the passages that were marked as right",
    "answer_recall@10": "the share of questions for which one of the first 10 passages contains an answer",
}


@dataclass(frozen=True)
class TuningVerdict:
    """The base encoder against the tuned one, by the LLM's answers and by retrieval.

    The answers decide; where these cannot tell the two apart, retrieval does. The tuned encoder is kept if it is better
    beyond chance. In every other case the base encoder is: where tuning made it worse, and where nothing can be said.

    Args:
        answers: By what the LLM answers with each; None where it answered nothing.
        retrieval: By the rankings; None where there is nothing to judge them by.
        questions: That were held out, of which either may rest on a part.
    """

    answers: Verdict | None
    retrieval: Verdict | None
    questions: int = 0

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        """The verdict of an evaluation with the rows `base` and `trained`, corrected for being two.

        Raises:
            ConfigError: No metric of either kind is in both rows.
        """
        scores = Scores(rows)
        found = [_verdict(scores, metrics) for metrics in (_ANSWERS, _RETRIEVAL)]
        both = iter(corrected([verdict for verdict in found if verdict is not None]))
        answers, retrieval = (None if verdict is None else next(both) for verdict in found)
        if answers is None and retrieval is None:
            raise ConfigError("rows", "base and trained, on queries with answers or gold keys", scores.retrievers)
        held_out = sum(row.protocol.get("queries", 0) for row in rows if row.retriever == TITLES["base"])
        return cls(answers, retrieval, held_out)

    @property
    def beyond_chance(self) -> int:
        """1 where tuning helped, -1 where it did harm, 0 where the questions cannot tell."""
        kinds = (self.answers, self.retrieval)
        return next((verdict.beyond_chance for verdict in kinds if verdict and verdict.beyond_chance), 0)

    @property
    def keeps_tuned(self) -> bool:
        """Whether the tuned encoder is what is exported."""
        return self.beyond_chance == 1

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return {
            "verdict": {1: "better", -1: "worse", 0: "undecided"}[self.beyond_chance],
            "kept": "tuned" if self.keeps_tuned else "base",
            "answers": None if self.answers is None else self.answers.as_json(),
            "retrieval": None if self.retrieval is None else self.retrieval.as_json(),
        }

    def sentences(self) -> list[str]:
        """What was found, in words."""
        found = []
        if self.answers is not None:
            found.append(f"Your LLM answers {_numbers(self.answers, 'of')}.")
        if self.retrieval is not None:
            found.append(f"Retrieval: {_numbers(self.retrieval, 'on', self.questions)}.")
        return [*found, self._conclusion()]

    def _conclusion(self) -> str:
        if self.beyond_chance:
            helps = self.beyond_chance > 0
            what = "Tuning helps" if helps else "Tuning made it worse"
            if self.answers is not None and not self.answers.beyond_chance:
                what = f"Retrieval is {'better' if helps else 'worse'}"
                what += ", and these questions cannot tell whether the answers are"
            return f"{what}: the {'tuned encoder is exported' if helps else 'base encoder is kept'}."
        told = [verdict for verdict in (self.answers, self.retrieval) if verdict and not _are_too_few(verdict)]
        needed = min((verdict.needed for verdict in told if verdict.needed), default=None)
        more = f" About {needed:,} questions would show a difference of this size." if needed else ""
        return f"These questions cannot tell whether tuning helps: the base encoder is kept.{more}"


def _verdict(scores: Scores, metrics: Sequence[str]) -> Verdict | None:
    base, trained, names = TITLES["base"], TITLES["trained"], scores.datasets()
    scope = "/".join(names[0]) if len(names) == 1 else f"mean of {len(names)} data sets"
    for metric in metrics:
        if (pairs := scores.pairs(metric, trained, base, names)) is not None:
            return Verdict.of(base, trained, scope, metric, pairs)
    return None


def _are_too_few(verdict: Verdict) -> bool:
    """Whether no outcome on so few questions is beyond chance: all n for one side have p = 2 / 2^n."""
    return 2.0 ** (1 - verdict.difference.n) >= ALPHA


def _numbers(verdict: Verdict, word: str, held_out: int = 0) -> str:
    """Both means, how sure their difference is, and of how many of the questions that were held out."""
    found, mean = verdict.difference, verdict.mean
    unit, scale = ("", 1.0) if verdict.metric in UNBOUNDED else (" %", 100.0)
    sure = "p < 0.001" if verdict.p < 0.001 else f"p = {verdict.p:.3f}"
    if _are_too_few(verdict):
        sure = "too few questions to tell a difference"
    elif mean.low is not None and mean.high is not None:
        sure = f"95 % interval of the difference {mean.low * scale:+.1f} to {mean.high * scale:+.1f}, {sure}"
    named = _NAMES.get(verdict.metric, verdict.metric)
    n = max(found.n, held_out)
    questions = (f"{found.n:,} of " if found.n < n else "") + quantity(n, "held-out question")
    return (
        f"{found.a * scale:.1f}{unit} {word} {questions} with the base encoder and {found.b * scale:.1f}{unit} after "
        f"tuning ({sure}; {named}); worse on {verdict.worse:,} of {found.n:,}"
    )
