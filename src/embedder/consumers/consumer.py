"""What the LLM does with a retriever for the queries of a data set: the protocol of consumers, and what they share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from embedder.data.prompts import Prompt, first_words, for_query
from embedder.types import KeyStore, LanguageModel, Query, Ranking

Search = Callable[[Sequence[Query], int], list[Ranking]]
"""Finds the best keys for each query, at most so many."""


Rivals = Callable[[Sequence[Query]], list[tuple[str, ...]]]
"""Outputs of the LLM alone, as they stand after the prompt, for each query."""


@dataclass(frozen=True)
class Scene:
    """What a consumer works with.

    Args:
        corpus: Where the keys are.
        search: The retriever, for consumers that ask it themselves.
        language_model: Reads and writes; best a `CachedLanguageModel`, because some prompts are used several times.
        prompt: How a query and its keys are shown, the same as in labelling.
        rivals: What is scored beside the gold answers of open questions; nothing by default.
    """

    corpus: KeyStore
    search: Search
    language_model: LanguageModel
    prompt: Prompt
    rivals: Rivals = lambda queries: [()] * len(queries)

    def texts(self, key_ids: Sequence[str], max_words: int | None = None) -> list[str]:
        """The texts of some keys; longer ones are cut to so many words, and to ten times as many characters."""
        texts = [self.corpus[self.corpus.position(key_id)].text for key_id in key_ids]
        return texts if max_words is None else [first_words(text, max_words) for text in texts]

    def shown(self, query: Query, key_ids: Sequence[str]) -> str:
        """The prompt of a query with some keys."""
        return for_query(self.prompt, query).render(query.text, self.texts(key_ids))

    def gold(self, query: Query) -> tuple[str, ...]:
        """The answers of a query as they stand after the prompt."""
        return tuple(self.prompt.output(answer) for answer in query.answers if answer.strip())

    def search_again(self, asked: Sequence[tuple[Query, str, int]], top_k: int) -> list[Ranking]:
        """Keys for texts that the LLM wrote.

        Args:
            asked: The query that the text was written for, which says what it may be compared with; the text; and its
                number, so that a retriever that draws by the id of the query draws other keys.
            top_k: Keys a text, at most.
        """
        queries = [replace(query, id=f"{query.id}/{number}", text=text) for query, text, number in asked]
        return self.search(queries, top_k) if queries else []


@dataclass(frozen=True)
class Outcome:
    """The result of one query.

    Args:
        keys: The keys that the LLM was shown, in the order found, with the scores of the retriever.
        prompt: The text before the answer.
        gold: The gold answers as they would stand there: how likely was the best of them?
        output: What the LLM answered; None where it only reads.
        scores: Metric -> value of this query.
        competitors: What else the LLM could have chosen, in the form of `gold`; None for open questions, where its own
            sampled outputs compete.
        steps: What it wrote on the way, such as its own search queries.
    """

    keys: Ranking
    prompt: str
    gold: tuple[str, ...]
    output: str | None
    scores: dict[str, float]
    competitors: tuple[str, ...] | None = None
    steps: tuple[str, ...] = ()


class Consumer(Protocol):
    """What the LLM does with a retriever. Its class and its fields, or its `repr`, show all settings (`described`)."""

    @property
    def top_k(self) -> int:
        """Keys of a ranking that it reads."""

    @property
    def finds_answers(self) -> bool:
        """Whether it answers questions whose answers can stand in a key, so that `answer_recall@k` says something."""

    @property
    def alone(self) -> "Consumer":
        """What the LLM alone is measured by, for `gain` and `harm`: itself, or what answers in one go without keys."""

    @property
    def texts(self) -> tuple[str, ...]:
        """What it says to the LLM in words of its own, beside the scene's prompt; part of the protocol of a result."""

    def consume(self, queries: Sequence[Query], rankings: Sequence[Ranking], scene: Scene) -> list[Outcome]:
        """An outcome for each query.

        Args:
            queries: Each with an answer.
            rankings: One for each, at least `top_k` long where there are so many keys; an empty one shows no key.
            scene: What it works with.
        """


def needs_answers(consumer: Consumer) -> bool:
    """Whether it is asked the queries with a gold answer.

    One with an attribute `needs_answers = False` is asked those with a labelled key, and shows a prompt of its own.
    """
    return bool(getattr(consumer, "needs_answers", True))


def shows_first_keys(consumer: Consumer) -> bool:
    """Whether it shows the first `top_k` keys of a ranking and no others, so that for the same ones it does the same.

    One with an attribute `shows_first_keys = False` searches again, or skips keys.
    """
    return bool(getattr(consumer, "shows_first_keys", True))


def first_keys(ranking: Ranking, n: int) -> Ranking:
    """The first keys of a ranking."""
    return Ranking(ranking.key_ids[:n], ranking.scores[:n])


def joined_keys(rankings: Sequence[Ranking], n: int) -> Ranking:
    """The first `n` distinct keys of several rankings, one ranking after the other."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for key_id, score in zip(ranking.key_ids, ranking.scores, strict=True):
            scores.setdefault(key_id, score)
    return first_keys(Ranking(tuple(scores), tuple(scores.values())), n)
