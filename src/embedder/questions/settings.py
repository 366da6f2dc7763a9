"""How many questions the LLM writes, and which are kept."""

from dataclasses import dataclass

from embedder.bounds import Limit, NonNegativeFloat, PositiveFloat, PositiveInt, Seed
from embedder.checks import checked
from embedder.rewards.tables import Reward


@checked("questions")
@dataclass(frozen=True)
class QuestionSettings:
    """How many questions the LLM writes, and which are kept.

    Args:
        reward: What the passage does for the LLM's own answer.
        n: Questions wanted; None for two a passage, at most `most`.
        most: See `n`.
        least: Fewer are too few to train on and to judge by.
        drafts: Of each passage; those of one are sampled together.
        found_within: A question is kept if BM25 ranks its passage among so many; None for no such condition.
        min_reward: A question is kept if the reward of its passage is above this.
        temperature: Of the drafts.
        max_new_tokens: Longest draft.
        max_words: A passage is cut to so many words.
        shortest: Passages of fewer words are not asked about.
        seed: Chooses passages and drafts.
    """

    reward: Reward
    n: PositiveInt | None = None
    most: PositiveInt = 1000
    least: PositiveInt = 20
    drafts: PositiveInt = 3
    found_within: Limit | None = 5
    min_reward: NonNegativeFloat = 0.0
    temperature: PositiveFloat = 0.5
    max_new_tokens: PositiveInt = 64
    max_words: PositiveInt = 150
    shortest: PositiveInt = 20
    seed: Seed = 0

    def wanted(self, n_passages: int) -> int:
        """How many questions are wanted about so many passages."""
        return min(2 * n_passages, self.most) if self.n is None else self.n
