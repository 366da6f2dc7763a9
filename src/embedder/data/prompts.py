"""How a query and its keys are shown to the LLM; the same text for labelling and for evaluation.

A prompt is complete text and prompt + output reads as the LLM would write it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol, TypeVar

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.data.examples import Examples, FewShotExample
from embedder.texts import stretches
from embedder.types import Query


class Prompt(Protocol):
    """How a query and its keys are shown to the LLM: a dataclass, whose fields are all that the text depends on."""

    @property
    def examples(self) -> Examples | None:
        """The few-shot examples in front; None for a prompt that shows none."""

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the output, with the texts of the retrieved keys, best first, or without retrieval."""

    def output(self, text: str) -> str:
        """An answer, an option or what the LLM wrote, as it stands after the prompt."""


AnyPrompt = TypeVar("AnyPrompt", bound=Prompt)


def with_examples(prompt: AnyPrompt, pool: Sequence[FewShotExample]) -> AnyPrompt:
    """The prompt with these few-shot examples to choose from; unchanged where it shows none."""
    if prompt.examples is None:
        return prompt
    return replace(prompt, examples=prompt.examples.filled(pool))  # type: ignore[type-var]  # it is a dataclass


def for_query(prompt: AnyPrompt, query: Query) -> AnyPrompt:
    """The prompt with those of its few-shot examples that may be shown with the query."""
    if prompt.examples is None:
        return prompt
    return replace(prompt, examples=prompt.examples.for_query(query))  # type: ignore[type-var]  # it is a dataclass


@checked("prompt")
@dataclass(frozen=True)
class QuestionPrompt:
    """Few-shot examples, then the retrieved passages under `Knowledge:`, then the question.

    Examples are shown as the question is: with their gold passages if it comes with passages, without if it does not.
    A small LLM that has seen answers without passages does not look into the passages for the next one (docs/log.md).

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), prompts of the knowledge tasks.

    Args:
        examples: Few-shot examples shown first; they teach a small LLM to answer in a few words.
        max_key_words: Longer passages are cut to so many words, and to ten times as many characters. Of scripts without
            spaces between words two letters of Chinese, three of Thai count as one.
    """

    examples: Examples = field(default_factory=Examples)
    max_key_words: PositiveInt = 150

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the answer.

        Args:
            query: The question.
            keys: Texts of the retrieved passages, best first; none asks without retrieval.
        """
        return self.examples.rendered(query, keys, self._ask, self.output) + self._ask(query, keys)

    def output(self, text: str) -> str:
        """An answer as the LLM would write it after the prompt."""
        return f" {text.strip()}"

    def _ask(self, question: str, keys: Sequence[str]) -> str:
        passages = "\n".join(first_words(key, self.max_key_words) for key in keys)
        knowledge = f"Knowledge:\n{passages}\n\n" if keys else ""
        return f"{knowledge}Q: {question}\nA:"


@checked("prompt")
@dataclass(frozen=True)
class ChatPrompt:
    """Few-shot examples, then the retrieved turns as they were said, then the current utterance of one speaker.

    The other speaker's reply is the output. Examples teach a small LLM to reply with the answer and no more;
    they are shown as `QuestionPrompt` shows its own.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), prompt of the conversation task.

    Args:
        examples: Few-shot examples shown first, each with the turns that it rests on.
        max_key_words: Longer turns are cut to so many words, and to ten times as many characters.
    """

    examples: Examples = field(default_factory=Examples)
    max_key_words: PositiveInt = 150

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the reply, with the texts of the retrieved turns, best first."""
        return self.examples.rendered(query, keys, self._say, self.output) + self._say(query, keys)

    def output(self, text: str) -> str:
        """The reply as the LLM would write it after the prompt."""
        return f" {text.strip()}"

    def _say(self, query: str, keys: Sequence[str]) -> str:
        turns = "".join(f"{_beginning(key, self.max_key_words)}\n\n" for key in keys)
        return f"{turns}Speaker 1: {query}\nSpeaker 2:"


@checked("prompt")
@dataclass(frozen=True)
class ContinuationPrompt:
    """The retrieved chunks, each with its continuation, then the current text; the output is how the text goes on.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), long-range language modelling.

    Args:
        max_key_words: Longer keys are cut to so many words, and to ten times as many characters.
    """

    examples: ClassVar[None] = None
    max_key_words: PositiveInt = 256

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the next chunk; keys stand in the order given."""
        shown = "".join(f"{_beginning(key, self.max_key_words)}\n\n" for key in keys)
        return shown + query.rstrip()

    def output(self, text: str) -> str:
        """The next chunk with the white space before it, or a space if it has none."""
        return text.rstrip() if text[:1].isspace() else f" {text.rstrip()}"


@checked("prompt")
@dataclass(frozen=True)
class ExamplePrompt:
    """The retrieved few-shot examples as they are, then the input on lines of its own; the output follows on the next.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), prompt of the in-context learning task.

    Args:
        max_key_words: Of longer examples the last so many words are shown, for their outputs stand at their ends.
    """

    examples: ClassVar[None] = None  # what is retrieved are examples already
    max_key_words: PositiveInt = 300

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the output, with the texts of the retrieved examples, best first."""
        shown = "".join(f"{_last_words(key, self.max_key_words)}\n\n" for key in keys)
        return f"{shown}{query.rstrip()}\n"

    def output(self, text: str) -> str:
        """The output; the prompt ends in the line break before it."""
        return text.strip()


def first_words(text: str, n: int) -> str:
    """The first words of a text on one line (see `stretches`), and at most ten characters a word."""
    return _cut(" ".join("".join(stretches(text)[:n]).split()), n)


def _cut(text: str, words: int) -> str:
    """At most ten characters a word, which matters for what is no text, such as an address of a page."""
    return text[: 10 * words].rstrip()


def _beginning(text: str, n: int) -> str:
    """The first words of a text, with the white space between them."""
    return _cut("".join(stretches(text)[:n]).strip(), n)


def _last_words(text: str, n: int) -> str:
    """The last words of a text, with the white space between them."""
    return "".join(stretches(text)[-n:])[-10 * n :].strip()
