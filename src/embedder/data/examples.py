"""Few-shot examples for the front of a prompt: the same at labelling and at evaluation."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from embedder.bounds import NonNegativeInt, Seed
from embedder.checks import checked
from embedder.data.queries import first_by_hash, question_of
from embedder.errors import ConfigError
from embedder.texts import question_form
from embedder.types import KeyStore, Query

_MAX_KEYS = 3  # gold keys of an example that are shown


@dataclass(frozen=True)
class FewShotExample:
    """A question with its answer and the passages that hold it, shown to the LLM before its own question."""

    question: str
    answer: str
    keys: tuple[str, ...] = ()
    type: str = ""
    """What it asks for, such as the relation; empty if that is not known."""


@checked("prompt.examples")
@dataclass(frozen=True)
class Examples:
    """Which few-shot examples a prompt shows.

    Args:
        n: Their number.
        seed: Chooses them among the training queries.
        other_types: Leaves out those of the type of the query, as of the same relation in PopQA (Mallen et al., ACL
            2023).
        pool: What they are taken from. A query is never shown as an example of itself.
    """

    n: NonNegativeInt = 3
    seed: Seed = 0
    other_types: bool = False
    pool: tuple[FewShotExample, ...] = ()

    @property
    def pool_size(self) -> int:
        """Size of a pool that is large enough: one more than are shown, in case one is the query.

        It is four times as many as are shown where those of one type are left out.
        """
        if self.other_types:
            return 4 * self.n
        return self.n + 1 if self.n else 0

    def filled(self, pool: Sequence[FewShotExample]) -> Self:
        """The same settings with this pool, or with as much of it as is needed."""
        return replace(self, pool=tuple(pool)[: self.pool_size])

    def for_query(self, query: Query) -> Self:
        """The same settings with those of the pool that may be shown with a query.

        Raises:
            ConfigError: Too few are of other types.
        """
        if not self.other_types:
            return self
        others = tuple(example for example in self.pool if example.type != query.group("type"))
        if len(others) < min(self.n, len(self.pool)):
            expected = f"{self.n} few-shot examples of other types than {query.group('type')!r}"
            raise ConfigError("prompt.examples.n", expected, len(others))
        return replace(self, pool=others)

    def shown(self, query: str, *, with_keys: bool) -> list[FewShotExample]:
        """The first `n` that ask something else than the query, without their keys where the query has none."""
        own = question_form(query)
        others = [example for example in self.pool if question_form(example.question) != own][: self.n]
        return others if with_keys else [replace(example, keys=()) for example in others]

    def rendered(
        self, query: str, keys: Sequence[str], ask: Callable[[str, Sequence[str]], str], output: Callable[[str], str]
    ) -> str:
        """The examples as a prompt shows them before its query.

        Args:
            query: The query.
            keys: Its keys; without any, the examples are shown without theirs.
            ask: How the prompt shows a query and its keys.
            output: How it shows an answer.
        """
        shown = self.shown(query, with_keys=bool(keys))
        return "".join(f"{ask(example.question, example.keys)}{output(example.answer)}\n\n" for example in shown)


def choose_examples(queries: Iterable[Query], n: int, seed: int = 0) -> list[Query]:
    """`n` different queries with an answer, those with gold keys first, chosen by a hash of their ids and a seed.

    The choice depends on nothing else: neither on how many queries are labelled nor on which are used for validation.
    So prompts, and with them the addresses of stored scores, stay the same when these change.
    """
    purpose = f"examples/{seed}" if seed else "examples"  # 0 as in stores older than the seed
    pool = [query for query in queries if any(map(str.strip, query.answers))]
    labelled = [query for query in pool if query.positives]
    others = [query for query in pool if not query.positives]
    chosen: dict[int, Query] = {}
    # Of those that ask the same one is enough: another would be shown to itself, or take the place of a third.
    for query in (*first_by_hash(labelled, len(labelled), purpose), *first_by_hash(others, len(others), purpose)):
        if len(chosen) < n:
            chosen.setdefault(question_of(query), query)
    return list(chosen.values())


def few_shot_examples(queries: Iterable[Query], corpus: KeyStore) -> list[FewShotExample]:
    """Queries as examples: each with its first answer that is not blank and the texts of its first gold keys."""
    return [
        FewShotExample(
            question=query.text,
            answer=next(filter(str.strip, query.answers)),
            keys=tuple(corpus[corpus.position(key_id)].text for key_id in query.positives[:_MAX_KEYS]),
            type=query.group("type"),
        )
        for query in queries
    ]
