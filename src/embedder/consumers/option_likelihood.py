"""Multiple choice: the option with the highest likelihood is the answer, so the LLM need not write."""

import string
from collections.abc import Sequence
from dataclasses import dataclass

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.consumers.consumer import Consumer, Outcome, Scene, first_keys
from embedder.errors import DataError
from embedder.metrics.options import best_option, right_options
from embedder.types import Query, Ranking

_KNOWLEDGE = "Knowledge:\n{keys}\n\n"
_LETTERS = "{question}\n{options}Answer:"


@checked("consumer")
@dataclass(frozen=True)
class OptionLikelihood:
    """Chooses the option with the lowest mean negative log-likelihood after the prompt.

    With letters the options are listed under the question as `A. ...`, the prompt ends in `Answer:` and the letters are
    scored, as is usual for MMLU; without, their texts are scored after the scene's prompt.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), in-context learning and MMLU; Hendrycks et al., ICLR 2021 (MMLU).

    Args:
        top_k: Keys shown to the LLM.
        letters: Score letters in place of texts.
        max_key_words: With letters, longer keys are cut to so many words, and to ten times as many characters.
    """

    top_k: PositiveInt = 8
    letters: bool = False
    max_key_words: PositiveInt = 150
    finds_answers = False  # an option is often a word such as "yes", which many keys hold

    @property
    def alone(self) -> Consumer:
        """The same without keys."""
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        """With letters, how keys, question and options are put together; the scene's prompt is not shown then."""
        return (_KNOWLEDGE, _LETTERS) if self.letters else ()

    def consume(self, queries: Sequence[Query], rankings: Sequence[Ranking], scene: Scene) -> list[Outcome]:
        """An outcome for each query.

        Raises:
            DataError: A query has no options, or none of them is an answer.
        """
        gold_positions = [gold_options(query) for query in queries]
        keys = [first_keys(ranking, self.top_k) for ranking in rankings]
        prompts = [self._prompt(query, shown, scene) for query, shown in zip(queries, keys, strict=True)]
        outputs = [self._outputs(query, scene) for query in queries]
        scored = scene.language_model.score(prompts, outputs)
        outcomes = []
        for query, shown, prompt, right, options, scores in zip(
            queries, keys, prompts, gold_positions, outputs, scored, strict=True
        ):
            chosen = best_option([score.mean_logprob for score in scores])
            gold = tuple(options[position] for position in right)
            others = tuple(dict.fromkeys(output for position, output in enumerate(options) if position not in right))
            correct = {"accuracy": float(chosen in right)}
            outcomes.append(Outcome(shown, prompt, gold, query.options[chosen], correct, others))
        return outcomes

    def _outputs(self, query: Query, scene: Scene) -> list[str]:
        """The options as they stand after the prompt."""
        if self.letters:
            return [f" {letter}" for letter, _ in zip(string.ascii_uppercase, query.options, strict=False)]
        return [scene.prompt.output(option) for option in query.options]

    def _prompt(self, query: Query, keys: Ranking, scene: Scene) -> str:
        if not self.letters:
            return scene.shown(query, keys.key_ids)
        texts = scene.texts(keys.key_ids, self.max_key_words)
        knowledge = _KNOWLEDGE.format(keys="\n".join(texts)) if texts else ""
        listed = "".join(f"{a}. {option}\n" for a, option in zip(string.ascii_uppercase, query.options, strict=False))
        return knowledge + _LETTERS.format(question=query.text, options=listed)


def gold_options(query: Query) -> list[int]:
    """Positions of the options that are answers.

    Raises:
        DataError: The query has no options, or more than there are letters, or none of them is an answer.
    """
    if not 0 < len(query.options) <= len(string.ascii_uppercase):
        raise DataError(f"query {query.id}", None, f"expected 1 to 26 options, got {len(query.options)}")
    if not (right := right_options(query.options, query.answers)):
        raise DataError(f"query {query.id}", None, f"none of its answers {query.answers} is among {query.options}")
    return right
