"""Single-shot answering: show the best keys and the question, and take the first line that the LLM writes."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.consumers.consumer import Consumer, Outcome, Scene, first_keys
from embedder.llm.abilities import writes_only
from embedder.metrics.rouge import rouge_l
from embedder.metrics.text import contains, exact_match, f1, popqa_accuracy
from embedder.types import Query, Ranking


@checked("consumer")
@dataclass(frozen=True)
class SingleShot:
    """Answers every query once with its best keys in the prompt.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), prompts of the knowledge tasks.

    Args:
        top_k: Keys shown to the LLM.
        max_new_tokens: Length of an answer.
        finds_answers: Whether the answers are such as stand in a key.
    """

    top_k: PositiveInt = 3
    max_new_tokens: PositiveInt = 16
    finds_answers: bool = True
    texts = ()  # it shows the scene's prompt and nothing else

    @property
    def alone(self) -> Consumer:
        """The same without keys."""
        return self

    def consume(self, queries: Sequence[Query], rankings: Sequence[Ranking], scene: Scene) -> list[Outcome]:
        """An outcome for each query."""
        keys = [first_keys(ranking, self.top_k) for ranking in rankings]
        return answered(queries, keys, scene, self.max_new_tokens)


def answered(queries: Sequence[Query], keys: Sequence[Ranking], scene: Scene, max_new_tokens: int) -> list[Outcome]:
    """Answers in one line after the scene's prompt with these keys.

    Args:
        queries: Each with an answer.
        keys: What is shown with each.
        scene: What the LLM works with.
        max_new_tokens: Length of an answer.
    """
    prompts = [scene.shown(query, shown.key_ids) for query, shown in zip(queries, keys, strict=True)]
    # What is scored behind the same prompts afterwards is scored with them, so that each is read once.
    outputs: list[list[str]] = [[] for _ in queries]
    if not writes_only(scene.language_model):
        outputs = [[*scene.gold(query), *others] for query, others in zip(queries, scene.rivals(queries), strict=True)]
    written, _ = scene.language_model.answer(prompts, outputs, max_new_tokens)
    return [
        Outcome(shown, prompt, scene.gold(query), answer, answer_scores(answer, query.answers))
        for query, shown, prompt, answer in zip(queries, keys, prompts, written, strict=True)
    ]


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
