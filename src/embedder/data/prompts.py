"""How a query and its keys are shown to the LLM; the same text for labelling and for evaluation.

A prompt is complete text and an output begins with a space, so that prompt + output reads as the LLM would write it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from embedder.errors import ConfigError
from embedder.types import Query


@dataclass(frozen=True)
class QuestionPrompt:
    """Solved examples, then the retrieved passages under `Knowledge:`, then the question.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), prompts of the knowledge tasks.

    Args:
        n_examples: Solved questions shown first; they teach a small LLM to answer in a few words.
        examples: The pool that they are taken from. A question is never shown as an example of itself.
        max_key_words: Longer passages are cut to so many words.
    """

    n_examples: int = 3
    examples: tuple[Query, ...] = ()
    max_key_words: int = 150

    def __post_init__(self) -> None:
        if self.n_examples < 0:
            raise ConfigError("prompt.n_examples", "0 or more", self.n_examples)
        if self.max_key_words < 1:
            raise ConfigError("prompt.max_key_words", "1 or more", self.max_key_words)

    def with_examples(self, pool: Sequence[Query]) -> "QuestionPrompt":
        """The same prompt with these solved questions; one more than shown is kept, in case one is the query."""
        solved = tuple(query for query in pool if query.answers)[: self.n_examples + 1]
        return QuestionPrompt(n_examples=self.n_examples, examples=solved, max_key_words=self.max_key_words)

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the answer.

        Args:
            query: The question.
            keys: Texts of the retrieved passages, best first; none asks without retrieval.
        """
        shown = [example for example in self.examples if example.text != query][: self.n_examples]
        parts = [f"Q: {example.text}\nA:{self.output(example.answers[0])}\n\n" for example in shown]
        if keys:
            passages = "\n".join(" ".join(key.split()[: self.max_key_words]) for key in keys)
            parts.append(f"Knowledge:\n{passages}\n\n")
        parts.append(f"Q: {query}\nA:")
        return "".join(parts)

    def output(self, answer: str) -> str:
        """An answer as the LLM would write it after the prompt."""
        return f" {answer.strip()}"
