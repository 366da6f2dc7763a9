"""Which candidates are left out because they may be positives without a label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from embedder.bounds import ShareAboveZero
from embedder.candidates.proposers import Hits
from embedder.checks import checked
from embedder.types import Key, Query

HoldsAnswer = Callable[[str, Sequence[str]], bool]
"""Whether a text contains one of some answers."""


@checked("candidates.filters")
@dataclass(frozen=True)
class CandidateFilters:
    """Filters of unlabelled candidates; off by default, since an LLM gives unlabelled positives high rewards.

    Args:
        drop_answers: Skip candidates that contain an answer of the query.
        max_gold_share: Skip candidates that a source scores higher than this share of the best gold key's score,
            such as 0.95; None for no limit. Where no gold key has a score above 0 nothing is skipped.

    Source: Moreira et al., 2024 (NV-Retriever, arXiv 2407.15831), positive-aware hard negatives, for the second.
    """

    drop_answers: bool = False
    max_gold_share: ShareAboveZero | None = None

    @property
    def are_on(self) -> bool:
        """Whether anything is skipped."""
        return self.drop_answers or self.max_gold_share is not None

    def too_near_gold(self, hits: Hits) -> frozenset[int]:
        """Positions in a source's ranking that score too much like a gold key."""
        if self.max_gold_share is None or max(hits.gold_scores, default=0.0) <= 0:  # the gold keys say nothing here
            return frozenset()
        most = self.max_gold_share * max(hits.gold_scores)
        return frozenset(p for p, score in zip(hits.positions, hits.scores, strict=True) if score > most)

    def gives_away(self, query: Query, key: Key, holds_answer: HoldsAnswer) -> bool:
        """Whether the key contains an answer of the query and is skipped for it."""
        answers = [answer for answer in query.answers if answer.strip()]
        return self.drop_answers and bool(answers) and holds_answer(key.text, answers)
