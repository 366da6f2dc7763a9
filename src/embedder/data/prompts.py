"""How a query and its keys are shown to the LLM; the same text for labelling and for evaluation.

A prompt is complete text and an output begins with a space, so that prompt + output reads as the LLM would write it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from embedder.errors import ConfigError


@dataclass(frozen=True)
class SolvedQuestion:
    """A question with its answer and the passages that hold it, as an example for the LLM."""

    question: str
    answer: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class QuestionPrompt:
    """Solved examples, then the retrieved passages under `Knowledge:`, then the question.

    Examples are shown as the question is: with their gold passages if it comes with passages, without if it does not.
    A small LLM that has seen answers without passages does not look into the passages for the next one (docs/log.md).

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), prompts of the knowledge tasks.

    Args:
        n_examples: Solved questions shown first; they teach a small LLM to answer in a few words.
        examples: The pool that they are taken from. A question is never shown as an example of itself.
        max_key_words: Longer passages are cut to so many words, and to ten times as many characters, which matters for
            writing without spaces.
    """

    n_examples: int = 3
    examples: tuple[SolvedQuestion, ...] = ()
    max_key_words: int = 150

    def __post_init__(self) -> None:
        if self.n_examples < 0:
            raise ConfigError("prompt.n_examples", "0 or more", self.n_examples)
        if self.max_key_words < 1:
            raise ConfigError("prompt.max_key_words", "1 or more", self.max_key_words)

    def with_examples(self, pool: Sequence[SolvedQuestion]) -> "QuestionPrompt":
        """The same prompt with these solved questions; one more than shown is kept, in case one is the query."""
        return replace(self, examples=tuple(pool)[: self.n_examples + 1])

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the answer.

        Args:
            query: The question.
            keys: Texts of the retrieved passages, best first; none asks without retrieval.
        """
        shown = [example for example in self.examples if example.question != query][: self.n_examples]
        solved = [
            f"{self._ask(example.question, example.keys if keys else ())}{self.output(example.answer)}\n\n"
            for example in shown
        ]
        return "".join(solved) + self._ask(query, keys)

    def output(self, answer: str) -> str:
        """An answer as the LLM would write it after the prompt."""
        return f" {answer.strip()}"

    def _ask(self, question: str, keys: Sequence[str]) -> str:
        longest = 10 * self.max_key_words
        passages = "\n".join(" ".join(key.split()[: self.max_key_words])[:longest].rstrip() for key in keys)
        knowledge = f"Knowledge:\n{passages}\n\n" if keys else ""
        return f"{knowledge}Q: {question}\nA:"
