"""Whether retrieved texts hold an answer, for questions whose gold passages nobody has marked."""

from collections.abc import Sequence

from embedder.metrics.text import has_answer


def answer_recall(texts: Sequence[str], answers: Sequence[str], cutoffs: Sequence[int]) -> dict[int, float]:
    """By cut-off k: 1 if one of the first k texts holds an answer (`has_answer`), otherwise 0.

    Source: Karpukhin et al., EMNLP 2020 (DPR), top-k retrieval accuracy.

    Args:
        texts: The retrieved keys, best first; they are read only up to the largest k.
        answers: Gold answers.
        cutoffs: The values of k.

    Raises:
        ValueError: `answers` is empty or a single string.
    """
    found = next((place for place, text in enumerate(texts[: max(cutoffs)], 1) if has_answer(text, answers)), None)
    return {k: float(found is not None and found <= k) for k in cutoffs}
