"""Solved questions for the front of a prompt: the same at labelling and at evaluation, and never a held-out one."""

from collections.abc import Collection, Iterable

from embedder.data.prompts import QuestionPrompt, SolvedQuestion
from embedder.data.queries import first_by_hash
from embedder.types import KeyStore, Query


def with_seeded_examples(
    prompt: QuestionPrompt, queries: Iterable[Query], left_out: Collection[str], corpus: KeyStore
) -> QuestionPrompt:
    """The prompt with solved questions of the training split, those with gold keys first.

    Args:
        prompt: How questions are shown.
        queries: The training queries.
        left_out: Ids of held-out queries.
        corpus: Where the gold keys are.
    """
    pool = [query for query in queries if any(map(str.strip, query.answers)) and query.id not in left_out]
    chosen = first_by_hash([query for query in pool if query.positives], prompt.n_examples + 1, "examples")
    if len(chosen) <= prompt.n_examples:
        unlabelled = [query for query in pool if not query.positives]
        chosen += first_by_hash(unlabelled, prompt.n_examples + 1 - len(chosen), "examples")
    return prompt.with_examples([_solve(query, corpus) for query in chosen])


def _solve(query: Query, corpus: KeyStore) -> SolvedQuestion:
    keys = tuple(corpus[corpus.position(key_id)].text for key_id in query.positives)
    return SolvedQuestion(query.text, next(filter(str.strip, query.answers)), keys)
