"""The queries of a data set, with their answers and the ids of their gold keys."""

import hashlib
import heapq
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from embedder.data.eligible import eligible_keys
from embedder.data.fields import Row
from embedder.data.jsonl import JsonLines
from embedder.texts import question_hash
from embedder.types import IntArray, KeyStore, Query

GROUPS = ("task_name", "category", "type", "gold")
"""Fields of a row that sort queries into parts of a data set."""


class Queries:
    """The rows of a `train.jsonl` or `test.jsonl`.

    Fields: `query_id`, `query`, and optionally `answers`, `pos`, `options`, `among`, `exclude` and those of `GROUPS`;
    see `Query`.

    Args:
        path: UTF-8 JSON Lines.
        corpus: If given, every key that a query names must be in it, and its gold keys among the eligible ones.
        kept: Indices of the lines that count, in rising order; None for all of them.

    Raises:
        DataError: On access, when a row is malformed or names an unknown key; on iteration, when an id comes twice.
    """

    def __init__(self, path: Path | str, corpus: KeyStore | None = None, kept: IntArray | None = None) -> None:
        self._rows = JsonLines(path, kept)
        self.path = self._rows.path
        self._corpus = corpus

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Query:
        return self._query(self._rows.row(position))

    def __iter__(self) -> Iterator[Query]:
        seen: set[str] = set()
        for row in self._rows.rows():
            query = self._query(row)
            if query.id in seen:
                raise row.error(f"query_id {query.id!r} came before; ids must be distinct")
            seen.add(query.id)
            yield query

    def _query(self, row: Row) -> Query:
        query = Query(
            id=row.text("query_id"),
            text=row.text("query"),
            answers=row.texts("answers"),
            positives=row.texts("pos"),
            options=row.texts("options"),
            among=_among(row),
            exclude=row.texts("exclude"),
            groups=tuple((field, row.label(field)) for field in GROUPS if field in row),
        )
        if not all(map(str.strip, query.options)):
            raise row.error("field 'options': expected texts, got a blank one")
        if self._corpus is not None:
            _check_keys(query, self._corpus, row)
        return query


def _among(row: Row) -> tuple[str, str] | None:
    ends = row.texts("among")
    if "among" not in row:
        return None
    if len(ends) != 2:
        raise row.error(f"field 'among': expected the ids of the first and the last eligible key, got {len(ends)} ids")
    return ends[0], ends[1]


def _check_keys(query: Query, corpus: KeyStore, row: Row) -> None:
    """Raise where a named key does not exist, the run of eligible keys is empty, or a gold key is not in it."""
    for field, key_ids in (("pos", query.positives), ("among", query.among or ()), ("exclude", query.exclude)):
        for key_id in key_ids:
            try:
                corpus.position(key_id)
            except KeyError:
                raise row.error(f"field {field!r} names {key_id!r}, which is not in the corpus") from None
    eligible = eligible_keys(query, corpus)
    if query.among is not None and eligible.stop <= eligible.start:
        raise row.error(f"field 'among': {query.among[0]!r} comes after {query.among[1]!r} in the corpus")
    if not len(eligible):
        raise row.error("field 'exclude' names all keys that the query may be compared with")
    for key_id in query.positives:
        if corpus.position(key_id) not in eligible:
            raise row.error(f"field 'pos' names {key_id!r}, which 'among' or 'exclude' rules out")


def question_of(query: Query) -> int:
    """A hash that is equal for queries that ask the same, in whatever data set or task.

    Where a query is compared with keys of its own, such as a turn of a dialogue, these have to be the same too.
    """
    return question_hash(query.text if query.among is None else f"{query.among[0]}\n{query.text}")


def random_of(query: Query, seed: int) -> random.Random:
    """A source of chance that is a function of the query's id and a seed alone."""
    digest = hashlib.blake2b(f"{seed}/{query.id}".encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "little"))  # noqa: S311  # not for cryptography


def first_by_hash(queries: Iterable[Query], n: int, purpose: str) -> list[Query]:
    """`n` queries that look random and are the same in every run and for every order of the file."""

    def order(query: Query) -> bytes:
        return hashlib.blake2b(f"{purpose}/{query.id}".encode(), digest_size=8).digest()

    return heapq.nsmallest(n, queries, key=order)
