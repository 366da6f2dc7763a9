"""From the ids of the rows of a file to their positions, without a dictionary in memory."""

import hashlib
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from embedder.data.fields import Row
from embedder.data.jsonl import JsonLines
from embedder.data.temporary import temporary_table
from embedder.errors import DataError
from embedder.origins import origin

_BLOCK = 1 << 16  # rows
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
        entries = ((_hash(row_id), row) for row, row_id in enumerate(ids))
        blocks = (np.fromiter(islice(entries, _BLOCK), _ENTRY) for _ in range(0, size, _BLOCK))
        with temporary_table(blocks) as file:
            self._table = np.memmap(file, dtype=_ENTRY, mode="r+")
        self._table.sort(order=["hash", "row"])
        hashes = self._table["hash"]
        for i in np.flatnonzero(hashes[1:] == hashes[:-1]):
            first, second = int(self._table["row"][i]), int(self._table["row"][i + 1])
            if id_of(first) == id_of(second):
                of, line = origin(path, first + 1)
                other = "" if of == origin(path, second + 1)[0] else f" of {of}"
                raise DataError(path, second + 1, f"id {id_of(first)!r} is already that of line {line}{other}")

    def row(self, wanted_id: str) -> int:
        """Row of an id; KeyError for an unknown one."""
        wanted = _hash(wanted_id)
        i = int(np.searchsorted(self._table["hash"], wanted))
        while i < len(self._table) and self._table["hash"][i] == wanted:
            row = int(self._table["row"][i])
            if self._id_of(row) == wanted_id:
                return row
            i += 1
        raise KeyError(wanted_id)


class RowsById:
    """The rows of a JSON Lines file by the id in one of their fields; no row is held in memory.

    Args:
        path: The file.
        field: Which of its fields is the id.

    Raises:
        DataError: A row has no id, or two rows have the same.
    """

    def __init__(self, path: Path, field: str) -> None:
        self.lines = JsonLines(path)
        self._field = field
        ids = map(self._id, range(len(self.lines)))
        self._table = IdTable(ids, len(self.lines), self._id, path)

    def __contains__(self, row_id: str) -> bool:
        try:
            self._table.row(row_id)
        except KeyError:
            return False
        return True

    def __getitem__(self, row_id: str) -> Row:
        return self.lines.row(self._table.row(row_id))

    def _id(self, position: int) -> str:
        return self.lines.row(position).text(self._field)


def _hash(row_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(row_id.encode(), digest_size=8).digest(), "little")
