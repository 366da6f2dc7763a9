"""ROUGE-L: how much of a longer reference a text says in the same order."""

from collections.abc import Sequence

from embedder.metrics.text import checked_answers
from embedder.texts import letters, normal_form, runs


def rouge_l(prediction: str, answers: Sequence[str]) -> float:
    """F-measure of the longest common subsequence of words with the closest answer, in [0, 1].

        rouge_l = 2 l / (p + a)

    with l words of a longest common subsequence, p words in the prediction and a in the answer; words are runs of
    letters and digits in lower case, and of scripts without spaces between words each letter. Where there are none in
    both texts it is 0. Of texts in ASCII it is what the package rouge-score gives, which knows no other letters.

    >>> round(rouge_l("Oru built the old lighthouse", ["Oru built a lighthouse"]), 4)  # 2 * 3 / (5 + 4)
    0.6667

    Source: Lin, 2004 (ROUGE); computed by torchmetrics.

    Raises:
        ValueError: `answers` is empty or a single string.
    """
    from torchmetrics.functional.text.rouge import rouge_score

    scores = rouge_score(
        [prediction],
        [list(checked_answers(answers))],
        rouge_keys="rougeL",
        accumulate="best",
        normalizer=lambda text: normal_form(text).lower().replace("_", " "),
        tokenizer=lambda text: [word for run in runs(text) for word in letters(run)],
    )
    return float(scores["rougeL_fmeasure"])
