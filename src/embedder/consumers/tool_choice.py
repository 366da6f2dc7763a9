"""Tool choice: the LLM is shown the first tools that were found, and says which one it would call."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from embedder.bounds import Bound, PositiveInt
from embedder.checks import checked
from embedder.consumers.consumer import Consumer, Outcome, Scene, first_keys
from embedder.metrics.options import best_option, probability_of
from embedder.types import Query, Ranking

_PROMPT = "Tools:\n{tools}\nRequest: {request}\n\nThe letter of the tool that has to be called for this request:"


@checked("consumer")
@dataclass(frozen=True)
class ToolChoice:
    """Chooses the shown tool whose letter is likeliest; right is every tool that is labelled for the request.

    `called` is 1 for a right one, `call_probability` what the likelihoods of the letters give the right ones.

    Letters need no names of tools, which many descriptions do not set apart. A request for which no labelled tool is
    shown is wrong, as is every request without retrieval: there is nothing to call then.

    Args:
        top_k: Tools shown to the LLM, best first.
        max_key_words: Longer descriptions are cut to so many words, and to ten times as many characters.
    """

    top_k: Annotated[int, Bound("1 to 26, a letter each", at_least=1, at_most=26)] = 5
    max_key_words: PositiveInt = 60
    finds_answers = False
    needs_answers = False  # labelled tools say what is right
    texts = (_PROMPT,)

    @property
    def alone(self) -> Consumer:
        """The same without tools."""
        return self

    def consume(self, queries: Sequence[Query], rankings: Sequence[Ranking], scene: Scene) -> list[Outcome]:
        """An outcome for each request."""
        keys = [first_keys(ranking, self.top_k) for ranking in rankings]
        prompts = [self._prompt(query, shown, scene) for query, shown in zip(queries, keys, strict=True)]
        asked = [position for position, shown in enumerate(keys) if shown.key_ids]
        letters = [[f" {letter}" for letter in string.ascii_uppercase[: len(keys[n].key_ids)]] for n in asked]
        scored = scene.language_model.score([prompts[n] for n in asked], letters)
        log_likelihoods = {n: [s.mean_logprob for s in scores] for n, scores in zip(asked, scored, strict=True)}
        return [
            self._outcome(query, shown, prompt, log_likelihoods.get(n))
            for n, (query, shown, prompt) in enumerate(zip(queries, keys, prompts, strict=True))
        ]

    @staticmethod
    def _outcome(query: Query, shown: Ranking, prompt: str, log_likelihoods: list[float] | None) -> Outcome:
        if log_likelihoods is None:
            return Outcome(shown, prompt, (), None, {"called": 0.0, "call_probability": 0.0}, ())
        called = best_option(log_likelihoods)
        right = [position for position, key_id in enumerate(shown.key_ids) if key_id in query.positives]
        scores = {"called": float(called in right), "call_probability": probability_of(right, log_likelihoods)}
        return Outcome(shown, prompt, (), shown.key_ids[called], scores, ())

    def _prompt(self, query: Query, keys: Ranking, scene: Scene) -> str:
        texts = scene.texts(keys.key_ids, self.max_key_words)
        listed = "".join(f"{letter}. {text}\n" for letter, text in zip(string.ascii_uppercase, texts, strict=False))
        return _PROMPT.format(tools=listed, request=query.text)
