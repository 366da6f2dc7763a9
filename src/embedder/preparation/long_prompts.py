"""Name the query whose prompt is longer than the LLM reads, with its file and line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from embedder.data.jsonl import JsonLines
from embedder.errors import DataError, PromptTooLongError
from embedder.types import Query


@contextmanager
def query_named(path: Path, queries: Sequence[Query]) -> Iterator[None]:
    """Turn the LLM's refusal of a prompt into an error that names the query.

    Args:
        path: Where the queries come from.
        queries: Those whose prompts the LLM reads; a prompt ends in its question, after examples and keys.

    Raises:
        DataError: A prompt is too long.
    """
    try:
        yield
    except PromptTooLongError as error:
        texts = [query.text.strip() for query in queries]
        starts = [error.prompt.rfind(text) for text in texts]  # -1 where it is not in the prompt
        ends = [start + len(text) if start >= 0 else -1 for start, text in zip(starts, texts, strict=True)]
        if max(ends) < 0:
            raise
        last = max(range(len(queries)), key=lambda index: (ends[index], len(texts[index])))
        query = queries[last]
        rows = JsonLines(path).rows()
        line = next((row.line for row in rows if row.values.get("query_id") == query.id), None)
        raise DataError(path, line, f"the query {query.id!r}: {error}") from error
