"""The queries of a data set, with their answers and the ids of their gold keys."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path

from embedder.data.fields import Row
from embedder.data.jsonl import JsonLines
from embedder.types import KeyStore, Query


class Queries:
    """The rows of a `train.jsonl` or `test.jsonl` (fields `query_id`, `query`, `answers`, `pos`, `options`).

    Args:
        path: UTF-8 JSON Lines.
        corpus: If given, every gold id must be in it.

    Raises:
        DataError: On access, when a row is malformed or names an unknown key; on iteration, when an id comes twice.
    """

    def __init__(self, path: Path | str, corpus: KeyStore | None = None) -> None:
        self._rows = JsonLines(path)
        self._corpus = corpus

    @property
    def path(self) -> Path:
        """The file."""
        return self._rows.path

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Query:
        row = Row(self._rows[position], self.path, position + 1)
        query = Query(
            id=row.text("query_id"),
            text=row.text("query"),
            answers=row.texts("answers"),
            positives=row.texts("pos"),
            options=row.texts("options"),
        )
        if self._corpus is not None:
            for key_id in query.positives:
                try:
                    self._corpus.position(key_id)
                except KeyError:
                    raise row.error(f"field 'pos' names {key_id!r}, which is not in the corpus") from None
        return query

    def __iter__(self) -> Iterator[Query]:
        seen: set[str] = set()
        for position in range(len(self)):
            query = self[position]
            if query.id in seen:
                raise Row({}, self.path, position + 1).error(f"query_id {query.id!r} came before; ids must be distinct")
            seen.add(query.id)
            yield query


def first_by_hash(queries: Iterable[Query], n: int, purpose: str) -> list[Query]:
    """`n` queries that look random and are the same in every run and for every order of the file."""

    def order(query: Query) -> bytes:
        return hashlib.blake2b(f"{purpose}/{query.id}".encode(), digest_size=8).digest()

    return heapq.nsmallest(n, queries, key=order)
