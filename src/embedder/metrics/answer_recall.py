"""Whether retrieved texts contain an answer, for questions without labelled gold passages."""

import math
from collections.abc import Sequence

from embedder.metrics.text import has_answer


def answer_recall(texts: Sequence[str], answers: Sequence[str], cutoffs: Sequence[int]) -> dict[int, float]:
    """By cut-off k: 1 if one of the first k texts holds an answer (`has_answer`), otherwise 0.

    >>> answer_recall(["A lighthouse.", "Oru built it."], ["oru"], cutoffs=[1, 2])
    {1: 0.0, 2: 1.0}

    Source: Karpukhin et al., EMNLP 2020 (DPR), top-k retrieval accuracy.

    Args:
        texts: The retrieved keys, best first; they are read only up to the largest k.
        answers: Gold answers.
        cutoffs: The values of k.

    Raises:
        ValueError: `answers` is empty or a single string.
    """
    ranks = (rank for rank, text in enumerate(texts[: max(cutoffs)], 1) if has_answer(text, answers))
    first = next(ranks, math.inf)
    return {k: float(first <= k) for k in cutoffs}
