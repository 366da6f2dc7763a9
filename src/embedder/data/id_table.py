"""From the ids of the rows of a file to their places, without a dictionary in memory."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from embedder.errors import DataError

_ENTRY = np.dtype([("hash", "<u8"), ("row", "<i8")])


class IdTable:
    """A sorted table of id hashes in a mapped temporary file, so that memory does not grow with the number of rows.

    Args:
        ids: Of all rows, in order.
        size: How many there are.
        id_of: Reads the id of a row again.
        path: The file, for messages.

    Raises:
        DataError: Two rows have one id.
    """

    def __init__(self, ids: Iterable[str], size: int, id_of: Callable[[int], str], path: Path) -> None:
        self._id_of = id_of
        with tempfile.TemporaryFile() as file:
            file.truncate(size * _ENTRY.itemsize)
            self._table = np.memmap(file, dtype=_ENTRY, mode="r+")
        for row, one in enumerate(ids):
            self._table[row] = (_hash(one), row)
        self._table.sort(order=["hash", "row"])
        hashes = self._table["hash"]
        for place in np.flatnonzero(hashes[1:] == hashes[:-1]):
            first, second = int(self._table["row"][place]), int(self._table["row"][place + 1])
            if id_of(first) == id_of(second):
                raise DataError(path, second + 1, f"id {id_of(first)!r} is already that of line {first + 1}")

    def row(self, wanted_id: str) -> int:
        """Row of an id; KeyError for an unknown one."""
        wanted = _hash(wanted_id)
        place = int(np.searchsorted(self._table["hash"], wanted))
        while place < len(self._table) and self._table["hash"][place] == wanted:
            row = int(self._table["row"][place])
            if self._id_of(row) == wanted_id:
                return row
            place += 1
        raise KeyError(wanted_id)


def _hash(one: str) -> int:
    return int.from_bytes(hashlib.blake2b(one.encode(), digest_size=8).digest(), "little")
