"""Positives of queries that stand on several lines of a file: a positive of one line is no negative of another line."""

from pathlib import Path

import numpy as np

from embedder.errors import reading
from embedder.texts import text_hash
from embedder.types import IntArray


class KnownPositives:
    """Hashes of labelled texts by hash of their query, mapped into memory: 16 bytes each, however long the texts are.

    Args:
        path: A `.npy` table that `write_known_positives` left, [P, 2].

    Raises:
        DataError: The file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path, "not a whole table of positives", OSError, ValueError, EOFError):
            self._pairs: IntArray = np.load(path, mmap_mode="r", allow_pickle=False)

    def __reduce__(self) -> tuple[type["KnownPositives"], tuple[Path]]:
        return KnownPositives, (self.path,)  # a worker process maps the file anew

    @property
    def queries(self) -> IntArray:
        """`text_hash` of the queries of the table, each as often as it has positives, [P]."""
        return np.asarray(self._pairs[:, 0])

    def of(self, query: str) -> tuple[int, ...]:
        """`text_hash` of each text that a line labels for the query; empty if the query is on one line only."""
        wanted = text_hash(query)
        first, last = (np.searchsorted(self._pairs[:, 0], wanted, side) for side in ("left", "right"))
        hashes: list[int] = self._pairs[first:last, 1].tolist()
        return tuple(hashes)


def write_known_positives(path: Path, queries: IntArray, pairs: IntArray) -> None:
    """Keep the positives of the queries that come more than once.

    Args:
        path: Where to.
        queries: `text_hash` of the query of each line, [R].
        pairs: `text_hash` of query and positive, for each positive of each line, [P, 2].
    """
    different, counts = np.unique(queries, return_counts=True)
    np.save(path, np.unique(pairs[np.isin(pairs[:, 0], different[counts > 1])], axis=0))
