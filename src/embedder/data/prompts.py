"""How a query and its keys are shown to the LLM; the same text for labelling and for evaluation.

A prompt is complete text and prompt + output reads as the LLM would write it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from embedder.errors import ConfigError, check_types
from embedder.types import Query


@dataclass(frozen=True)
class SolvedQuestion:
    """A question with its answer and the passages that hold it, as an example for the LLM."""

    question: str
    answer: str
    keys: tuple[str, ...] = ()
    type: str = ""
    """What it asks for, such as the relation; empty if that is not known."""


class Prompt(Protocol):
    """How a query and its keys are shown to the LLM. Its `repr` tells all that the text depends on."""

    @property
    def pool_size(self) -> int:
        """Solved queries that `with_examples` asks for; 0 for a prompt that shows none."""
        ...

    @property
    def examples_seed(self) -> int:
        """Which of the training queries these are."""
        ...

    def with_examples(self, pool: Sequence[SolvedQuestion]) -> Self:
        """The same prompt with these solved queries."""
        ...

    def for_query(self, query: Query) -> Self:
        """The same prompt for one query: what depends on more of it than its text is settled."""
        ...

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the output, with the texts of the retrieved keys, best first, or without retrieval."""
        ...

    def output(self, text: str) -> str:
        """An answer, an option or what the LLM wrote, as it stands after the prompt."""
        ...


@dataclass(frozen=True)
class _WithExamples:
    """Shows solved queries first."""

    n_examples: int = 3
    examples: tuple[SolvedQuestion, ...] = ()
    max_key_words: int = 150
    examples_seed: int = 0

    def __post_init__(self) -> None:
        _check(self)
        if self.n_examples < 0:
            raise ConfigError("prompt.n_examples", "0 or more", self.n_examples)

    @property
    def pool_size(self) -> int:
        """One more than is shown, in case one is the query."""
        return self.n_examples + 1 if self.n_examples else 0

    def with_examples(self, pool: Sequence[SolvedQuestion]) -> Self:
        """The same prompt with these solved queries; more than shown are kept, in case one is the query."""
        return replace(self, examples=tuple(pool)[: self.pool_size])

    def for_query(self, query: Query) -> Self:
        """The prompt as it is."""
        return self

    def _shown(self, query: str, *, with_keys: bool) -> list[SolvedQuestion]:
        """The first examples that are not the query itself, as bare as the query is."""
        shown = [example for example in self.examples if example.question != query][: self.n_examples]
        return shown if with_keys else [replace(example, keys=()) for example in shown]


@dataclass(frozen=True)
class _WithoutExamples:
    """Shows the query and its keys, nothing else."""

    max_key_words: int

    def __post_init__(self) -> None:
        _check(self)

    @property
    def pool_size(self) -> int:
        """0: there are no examples."""
        return 0

    @property
    def examples_seed(self) -> int:
        """Of no examples."""
        return 0

    def with_examples(self, pool: Sequence[SolvedQuestion]) -> Self:
        """The prompt as it is."""
        return self

    def for_query(self, query: Query) -> Self:
        """The prompt as it is."""
        return self


@dataclass(frozen=True)
class QuestionPrompt(_WithExamples):
    """Solved examples, then the retrieved passages under `Knowledge:`, then the question.

    Examples are shown as the question is: with their gold passages if it comes with passages, without if it does not.
    A small LLM that has seen answers without passages does not look into the passages for the next one (docs/log.md).

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), prompts of the knowledge tasks.

    Args:
        n_examples: Solved questions shown first; they teach a small LLM to answer in a few words.
        examples: The pool that they are taken from. A question is never shown as an example of itself.
        max_key_words: Longer passages are cut to so many words, and to ten times as many characters, which matters for
            writing without spaces.
        examples_seed: Which training questions are the pool; each seed has its own.
        other_types: Never show an example of the type of the query (`for_query` tells it), as of the same relation in
            PopQA (Mallen et al., ACL 2023).
    """

    other_types: bool = False

    @property
    def pool_size(self) -> int:
        """One more than is shown, in case one is the query; four times as many where those of one type fall out."""
        return 4 * self.n_examples if self.other_types else super().pool_size

    def for_query(self, query: Query) -> Self:
        """The prompt without the examples of the type of the query, if those are not to be shown.

        Raises:
            ConfigError: Too few are left.
        """
        if not self.other_types:
            return self
        others = tuple(example for example in self.examples if example.type != query.group("type"))
        if len(others) < min(self.n_examples, len(self.examples)):
            expected = f"{self.n_examples} solved questions of other types than {query.group('type')!r}"
            raise ConfigError("prompt.n_examples", expected, len(others))
        return replace(self, examples=others)

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the answer.

        Args:
            query: The question.
            keys: Texts of the retrieved passages, best first; none asks without retrieval.
        """
        shown = self._shown(query, with_keys=bool(keys))
        solved = "".join(f"{self._ask(e.question, e.keys)}{self.output(e.answer)}\n\n" for e in shown)
        return solved + self._ask(query, keys)

    def output(self, text: str) -> str:
        """An answer as the LLM would write it after the prompt."""
        return f" {text.strip()}"

    def _ask(self, question: str, keys: Sequence[str]) -> str:
        passages = "\n".join(first_words(key, self.max_key_words) for key in keys)
        knowledge = f"Knowledge:\n{passages}\n\n" if keys else ""
        return f"{knowledge}Q: {question}\nA:"


@dataclass(frozen=True)
class ChatPrompt(_WithExamples):
    """Solved examples, then the retrieved turns as they were said, then the current utterance of one speaker.

    The other speaker's reply is the output. Examples teach a small LLM to reply with what was asked for and no more;
    they are shown as `QuestionPrompt` shows its own.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), prompt of the conversation task.

    Args:
        n_examples: Solved queries shown first, each with the turns that it rests on.
        examples: The pool that they are taken from. A query is never shown as an example of itself.
        max_key_words: Longer turns are cut to so many words, and to ten times as many characters.
        examples_seed: Which training queries are the pool; each seed has its own.
    """

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the reply, with the texts of the retrieved turns, best first."""
        shown = self._shown(query, with_keys=bool(keys))
        solved = "".join(f"{self._say(e.question, e.keys)}{self.output(e.answer)}\n\n" for e in shown)
        return solved + self._say(query, keys)

    def output(self, text: str) -> str:
        """The reply as the LLM would write it after the prompt."""
        return f" {text.strip()}"

    def _say(self, query: str, keys: Sequence[str]) -> str:
        turns = "".join(f"{_beginning(key, self.max_key_words)}\n\n" for key in keys)
        return f"{turns}Speaker 1: {query}\nSpeaker 2:"


@dataclass(frozen=True)
class ContinuationPrompt(_WithoutExamples):
    """The retrieved chunks, each with its continuation, then the current text; the output is how the text goes on.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), long-range language modelling.

    Args:
        max_key_words: Longer keys are cut to so many words, and to ten times as many characters.
    """

    max_key_words: int = 256

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the next chunk; keys stand in the order given."""
        shown = "".join(f"{_beginning(key, self.max_key_words)}\n\n" for key in keys)
        return shown + query.rstrip()

    def output(self, text: str) -> str:
        """The next chunk with the white space before it, or a space if it brings none."""
        return text.rstrip() if text[:1].isspace() else f" {text.rstrip()}"


@dataclass(frozen=True)
class ExamplePrompt(_WithoutExamples):
    """The retrieved solved examples as they are, then the input on lines of its own; the output follows on the next.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), prompt of the in-context learning task.

    Args:
        max_key_words: Of longer examples the last so many words are shown, for their outputs stand at their ends.
    """

    max_key_words: int = 300

    def render(self, query: str, keys: Sequence[str] = ()) -> str:
        """The text before the output, with the texts of the retrieved examples, best first."""
        shown = "".join(f"{_last_words(key, self.max_key_words)}\n\n" for key in keys)
        return f"{shown}{query.rstrip()}\n"

    def output(self, text: str) -> str:
        """The output; the prompt ends in the line break before it."""
        return text.strip()


def _check(prompt: _WithExamples | _WithoutExamples) -> None:
    check_types(prompt, "prompt")
    if prompt.max_key_words < 1:
        raise ConfigError("prompt.max_key_words", "1 or more", prompt.max_key_words)


def first_words(text: str, n: int) -> str:
    """The first words of a text on one line, and at most ten characters a word, for writing without spaces."""
    return _cut(" ".join(text.split()[:n]), n)


def _cut(text: str, words: int) -> str:
    """At most ten characters a word, which matters for writing without spaces."""
    return text[: 10 * words].rstrip()


def _beginning(text: str, n: int) -> str:
    """The first words of a text, with the white space between them."""
    return _cut("".join(re.findall(r"\s*\S+", text)[:n]).strip(), n)


def _last_words(text: str, n: int) -> str:
    """The last words of a text, with the white space between them."""
    return "".join(re.findall(r"\s*\S+", text)[-n:])[-10 * n :].strip()
