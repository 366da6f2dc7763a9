"""Which labels of a record look wrong: unlabelled candidates that may be right, gold keys that may not be.

Each sign is weak alone (a passage can hold "2017" by chance), so suspects with more signs come first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from embedder.data.shingles import jaccard, shingles
from embedder.metrics.text import has_answer
from embedder.rewards.labelled_rows import Proposal
from embedder.types import Key, Record

REWARDED = "helps the LLM more than every gold key"
ANSWERS = "contains an answer"
COPIES = "repeats much of a gold key"
OUTSCORES = "scores above every gold key"
HARMS = "harms the LLM"
WORST = "helps the LLM less than every other candidate"
LACKS = "contains no answer, though another candidate does"

_COPY = 0.5  # Jaccard similarity; from 0.9 on, preparation leaves a candidate out (candidates.near_duplicates)


@dataclass(frozen=True)
class Suspect:
    """One key of a record whose label looks wrong.

    Args:
        record: The record.
        key: The candidate.
        proposal: Who proposed it, its rank and score.
        reward: Its reward; None where no LLM judged it.
        lead: By how much its reward is above that of the best gold key, or for a gold key, below that of the best
            unlabelled candidate; 0 where this is not known.
        signs: What speaks against its label.
        beside: What to compare it with, each with its proposal and reward: the best gold key, or for a gold key, the
            best unlabelled candidate.
    """

    record: Record
    key: Key
    proposal: Proposal
    reward: float | None
    lead: float
    signs: tuple[str, ...]
    beside: tuple[tuple[Key, Proposal, float | None], ...] = ()

    @property
    def beside_title(self) -> str:
        """What `beside` is."""
        return "Best unlabelled candidate" if self.key in self.record.positives else "Best gold key"

    @property
    def suspicion(self) -> tuple[int, float]:
        """What suspects are sorted by, the largest first."""
        return len(self.signs), self.lead


def false_negatives(record: Record, proposals: tuple[Proposal, ...]) -> Iterator[Suspect]:
    """Unlabelled candidates that may be right, of a query with gold keys: without any, no candidate is a negative.

    A score above that of the gold keys is a sign beside another one only: of BM25's best matches most have it.

    Args:
        record: With its keys.
        proposals: Of each positive, then each negative.
    """
    n, rewards = len(record.positives), record.rewards
    if not n:
        return
    best = max(rewards[:n]) if rewards is not None else None
    gold = [shingles(key.text) for key in record.positives]
    answers = [answer for answer in record.answers if answer.strip()]
    scores = [proposal.score for proposal in proposals[:n]]
    for index, key in enumerate(record.negatives, n):
        signs = []
        if rewards is not None and best is not None and rewards[index] > max(best, 0.0):
            signs.append(REWARDED)
        if answers and has_answer(key.text, answers):
            signs.append(ANSWERS)
        own = shingles(key.text)
        if any(jaccard(own, other) >= _COPY for other in gold):
            signs.append(COPIES)
        if signs and _is_above(proposals[index], scores):
            signs.append(OUTSCORES)
        if signs:
            reward = None if rewards is None else rewards[index]
            lead = 0.0 if reward is None or best is None else reward - best
            beside = _best(record, proposals, range(n))
            yield Suspect(record, key, proposals[index], reward, lead, tuple(signs), beside)


def wrong_labels(record: Record, proposals: tuple[Proposal, ...]) -> Iterator[Suspect]:
    """Gold keys that may be wrong; the arguments are those of `false_negatives`.

    That a gold key lacks the answer is a sign beside another one only: facts can be said in other words.
    """
    n, rewards = len(record.positives), record.rewards
    answers = [answer for answer in record.answers if answer.strip()]
    holding = [bool(answers) and has_answer(key.text, answers) for key in (*record.positives, *record.negatives)]
    for index, key in enumerate(record.positives):
        signs = []
        best = max(rewards[n:], default=None) if rewards is not None else None
        if rewards is not None and rewards[index] < 0:
            signs.append(HARMS)
        if rewards is not None and len(record.negatives) and rewards[index] < min(rewards[n:]):
            signs.append(WORST)
        if not holding[index] and any(holding) and (signs or rewards is None):
            signs.append(LACKS)
        if signs:
            reward = None if rewards is None else rewards[index]
            lead = 0.0 if reward is None or best is None else best - reward
            beside = _best(record, proposals, range(n, n + len(record.negatives)))
            yield Suspect(record, key, proposals[index], reward, lead, tuple(signs), beside)


def _best(
    record: Record, proposals: tuple[Proposal, ...], indices: range
) -> tuple[tuple[Key, Proposal, float | None], ...]:
    """The key with the highest reward of some of a record, or without rewards the first; empty if there are none."""
    if not indices:
        return ()
    rewards = record.rewards
    best = indices[0] if rewards is None else max(indices, key=lambda index: rewards[index])
    return (
        ((*record.positives, *record.negatives)[best], proposals[best], None if rewards is None else rewards[best]),
    )


def _is_above(proposal: Proposal, gold_scores: list[float | None]) -> bool:
    """Whether BM25 scores a candidate above all gold keys, as far as these are in its ranking."""
    known = [score for score in gold_scores if score is not None]
    return proposal.source == "bm25" and proposal.score is not None and bool(known) and proposal.score > max(known)
