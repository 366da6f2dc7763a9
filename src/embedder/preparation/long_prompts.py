"""Name the query whose prompt is longer than the LLM reads, with its file and line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from embedder.data.jsonl import JsonLines
from embedder.errors import DataError, PromptTooLongError
from embedder.types import Query


@contextmanager
def query_named(path: Path, queries: Sequence[Query]) -> Iterator[None]:
    """Turn the LLM's refusal of a prompt into an error that names what was asked.

    Args:
        path: Where the queries come from.
        queries: Those that the LLM is asked about; a prompt ends in its question, after examples and keys.

    Raises:
        DataError: A prompt is too long.
    """
    try:
        yield
    except PromptTooLongError as error:
        ends = [(error.prompt.rfind(text) + len(text), len(text)) for text in (query.text.strip() for query in queries)]
        found = [(end, query) for end, query in zip(ends, queries, strict=True) if end[0] >= end[1]]
        if not found:
            raise
        query = max(found, key=lambda one: one[0])[1]
        rows = JsonLines(path).rows()
        line = next((row.line for row in rows if row.values.get("query_id") == query.id), None)
        raise DataError(path, line, f"the query {query.id!r}: {error}") from error
