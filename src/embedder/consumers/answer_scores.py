"""The scores of a written answer."""

from collections.abc import Sequence

from embedder.metrics.rouge import rouge_l
from embedder.metrics.text import contains, exact_match, f1, popqa_accuracy


def answer_scores(written: str, answers: Sequence[str]) -> dict[str, float]:
    """Every metric of a written answer; an empty answer is wrong by every metric.

    Args:
        written: What the LLM answered.
        answers: Gold answers; blank ones are skipped.
    """
    gold = [answer for answer in answers if answer.strip()]
    return {
        # SQuAD's rule would take nothing for right where a gold answer is an article.
        "em": float(bool(written.strip()) and exact_match(written, gold)),
        "f1": f1(written, gold),
        "contains": float(contains(written, gold)),
        "popqa_accuracy": float(popqa_accuracy(written, gold)),
        "rouge_l": rouge_l(written, gold),
    }
