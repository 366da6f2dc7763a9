"""Which candidates are left out because they may be positives without a label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from embedder.bounds import Bound, NonNegativeFloat, ShareBelowOne
from embedder.checks import checked
from embedder.types import Key, Query

HoldsAnswer = Callable[[str, Sequence[str]], bool]
"""Whether a text contains one of some answers."""

_Cosine = Annotated[float, Bound("a cosine from -1 to 1", at_least=-1, at_most=1)]


@checked("candidates.filters")
@dataclass(frozen=True)
class CandidateFilters:
    """Filters of unlabelled candidates; off by default, since an LLM gives unlabelled positives high rewards.

    The three limits of scores have the names of sentence-transformers' `mine_hard_negatives`. A candidate is skipped
    if a source scores it higher than a limit; of several gold keys the one that this source scores best counts.

    Args:
        drop_answers: Skip candidates that contain an answer of the query.
        relative_margin: 0.05 skips candidates that score above 95 % of the gold key (TopK-PercPos). It holds for any
            source with scores above 0: for BM25, which has another scale for each query, it is the only sensible one.
        absolute_margin: 0.05 skips candidates whose cosine is above the gold key's less 0.05 (TopK-MarginPos); for
            `dense` alone.
        max_score: 0.7 skips candidates whose cosine is above 0.7, for queries without a gold key too (TopK-Abs); for
            `dense` alone.

    Source: Moreira et al., 2024 (NV-Retriever, arXiv 2407.15831, section 3), positive-aware hard negatives.
    """

    drop_answers: bool = False
    relative_margin: ShareBelowOne | None = None
    absolute_margin: NonNegativeFloat | None = None
    max_score: _Cosine | None = None

    @property
    def are_on(self) -> bool:
        """Whether anything is skipped."""
        return self.drop_answers or self.relative_margin is not None or bool(self.of_cosines)

    @property
    def of_cosines(self) -> list[str]:
        """The limits in use that are numbers on the scale of cosines."""
        return [name for name in ("absolute_margin", "max_score") if getattr(self, name) is not None]

    def limits(self, gold_scores: Sequence[float], *, are_cosines: bool) -> dict[str, float]:
        """The score that a candidate may have at most, by filter.

        >>> CandidateFilters(relative_margin=0.05, max_score=0.7).limits([0.6, 0.8], are_cosines=True)
        {'relative_margin': 0.76, 'max_score': 0.7}

        Args:
            gold_scores: What the source gives the gold keys of the query.
            are_cosines: Whether the source scores by cosine.
        """
        best = max(gold_scores, default=None)
        found = {}
        if self.relative_margin is not None and best is not None and best > 0:  # a share of less says nothing
            found["relative_margin"] = (1 - self.relative_margin) * best
        if self.absolute_margin is not None and best is not None and are_cosines:
            found["absolute_margin"] = best - self.absolute_margin
        if self.max_score is not None and are_cosines:
            found["max_score"] = self.max_score
        return found

    def gives_away(self, query: Query, key: Key, holds_answer: HoldsAnswer) -> bool:
        """Whether the key contains an answer of the query and is skipped for it."""
        answers = [answer for answer in query.answers if answer.strip()]
        return self.drop_answers and bool(answers) and holds_answer(key.text, answers)
