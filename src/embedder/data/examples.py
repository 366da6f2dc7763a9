"""Solved questions for the front of a prompt: the same at labelling and at evaluation."""

from collections.abc import Iterable

from embedder.data.prompts import Prompt, SolvedQuestion
from embedder.data.queries import first_by_hash
from embedder.types import KeyStore, Query

_MAX_KEYS = 3  # gold keys of an example that are shown


def choose_examples(queries: Iterable[Query], n: int, seed: int = 0) -> list[Query]:
    """`n` queries with an answer, those with gold keys first, chosen by a hash of their ids and a seed.

    They depend on nothing else: neither on how many queries are labelled nor on what is held out, so that prompts, and
    with them the addresses of stored scores, stay the same when these change.
    """
    purpose = f"examples/{seed}" if seed else "examples"  # 0 as in stores older than the seed
    pool = [query for query in queries if any(map(str.strip, query.answers))]
    chosen = first_by_hash([query for query in pool if query.positives], n, purpose)
    if len(chosen) < n:
        chosen += first_by_hash([query for query in pool if not query.positives], n - len(chosen), purpose)
    return chosen


def with_examples(prompt: Prompt, examples: Iterable[Query], corpus: KeyStore) -> Prompt:
    """The prompt with these solved questions, shown with their gold keys.

    Args:
        prompt: How questions are shown.
        examples: Queries with an answer.
        corpus: Where the gold keys are.
    """
    return prompt.with_examples([_solve(query, corpus) for query in examples])


def _solve(query: Query, corpus: KeyStore) -> SolvedQuestion:
    keys = tuple(corpus[corpus.position(key_id)].text for key_id in query.positives[:_MAX_KEYS])
    return SolvedQuestion(query.text, next(filter(str.strip, query.answers)), keys, query.group("type"))
