"""ROUGE-L: how much of a longer reference a text says in the same order."""

from collections.abc import Sequence


def rouge_l(prediction: str, answers: Sequence[str]) -> float:
    """F-measure of the longest common subsequence of words with the closest answer, in [0, 1].

        rouge_l = 2 l / (p + a)

    with l words of a longest common subsequence, p words in the prediction and a in the answer; words are runs of
    letters a to z and digits, in lower case. Where there are none in both texts it is 0.

    Source: Lin, 2004 (ROUGE), as in the package rouge-score; computed by torchmetrics.

    Raises:
        ValueError: `answers` is empty or a single string.
    """
    if isinstance(answers, str) or not answers:
        raise ValueError(f"answers: expected a non-empty list of strings, got {answers!r}")
    from torchmetrics.functional.text.rouge import rouge_score

    scores = rouge_score([prediction], [list(answers)], rouge_keys="rougeL", accumulate="best")
    return float(scores["rougeL_fmeasure"])
