"""How much each candidate helps the LLM: sampled outputs, stored log-likelihoods, and rewards made from them."""

from embedder.rewards.reward import (
    LikelihoodReward,
    MixReward,
    NoReward,
    NormalisedLikelihoodReward,
    RankReward,
    RankThenLikelihoodReward,
    SmoothRankReward,
)

__all__ = [
    "LikelihoodReward",
    "MixReward",
    "NoReward",
    "NormalisedLikelihoodReward",
    "RankReward",
    "RankThenLikelihoodReward",
    "SmoothRankReward",
]
