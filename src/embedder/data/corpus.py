"""A corpus of keys on disk: by position, and by id without a dictionary in memory."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedder.data.fields import Row
from embedder.data.jsonl import JsonLines
from embedder.errors import DataError
from embedder.types import Key

_ENTRY = np.dtype([("hash", "<u8"), ("row", "<i8")])


class Corpus:
    """The keys of a `corpus.jsonl` (fields `id`, `text`, and `title` where there is one).

    Opening it reads the file once: every row is checked, and a sorted table of id hashes is made in a mapped temporary
    file, so that memory does not grow with the corpus.

    Args:
        path: UTF-8 JSON Lines.

    Raises:
        DataError: A row is malformed, or two rows have one id.
    """

    def __init__(self, path: Path | str) -> None:
        self._rows = JsonLines(path)
        self._table = self._sorted_table()

    def __reduce__(self) -> tuple[type["Corpus"], tuple[Path]]:
        return Corpus, (self.path,)

    @property
    def path(self) -> Path:
        """The file."""
        return self._rows.path

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Key:
        row = Row(self._rows[position], self.path, position + 1)
        return Key(id=row.text("id"), text=_full_text(row.text("title", default=""), row))

    def __iter__(self) -> Iterator[Key]:
        return (self[position] for position in range(len(self)))

    def texts(self) -> Iterator[str]:
        """All texts in order."""
        return (key.text for key in self)

    def position(self, key_id: str) -> int:
        """Place of a key; KeyError for an unknown id."""
        wanted = _hash(key_id)
        place = int(np.searchsorted(self._table["hash"], wanted))
        while place < len(self._table) and self._table["hash"][place] == wanted:
            row = int(self._table["row"][place])
            if self[row].id == key_id:
                return row
            place += 1
        raise KeyError(key_id)

    def _sorted_table(self) -> npt.NDArray[np.void]:
        with tempfile.TemporaryFile() as file:
            file.truncate(len(self._rows) * _ENTRY.itemsize)
            table = np.memmap(file, dtype=_ENTRY, mode="r+")
        for row, key in enumerate(self):
            table[row] = (_hash(key.id), row)
        table.sort(order=["hash", "row"])
        for place in np.flatnonzero(table["hash"][1:] == table["hash"][:-1]):
            first, second = int(table["row"][place]), int(table["row"][place + 1])
            if self[first].id == self[second].id:
                raise DataError(self.path, second + 1, f"id {self[first].id!r} is already that of line {first + 1}")
        return table


def _full_text(title: str, row: Row) -> str:
    """Title and text; many corpora already begin the text with the title."""
    text = row.text("text")
    return text if not title or text.startswith(title) else f"{title} {text}"


def _hash(key_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(key_id.encode(), digest_size=8).digest(), "little")
