"""Random access to a JSON Lines file of any size: mapped into memory, with one clear error for a bad line."""

import json
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from embedder.data.fields import Row
from embedder.data.temporary import temporary_table
from embedder.errors import DataError
from embedder.types import IntArray

_BLOCK = 1 << 24  # bytes scanned at a time for line breaks


class JsonLines:
    """The rows of a JSON Lines file as a sequence of dictionaries.

    Neither the text nor the table of line starts is held in the process's own memory: both are mapped files, so a file
    of 100 GB costs what a file of 1 MB costs. A row is parsed when it is read.

    Args:
        path: UTF-8, one JSON object a line.
        kept: Indices of the lines that count as rows, in rising order; None for all lines.

    Raises:
        DataError: The file is missing or empty; on access, the line is not valid UTF-8, not a JSON object, or gone
            because the file was cut.
    """

    def __init__(self, path: Path | str, kept: IntArray | None = None) -> None:
        self.path = Path(path)
        self._kept = kept
        if not self.path.is_file():
            raise DataError(self.path, None, "no such file")
        if self.path.stat().st_size == 0:
            raise DataError(self.path, None, "the file is empty; expected one JSON object a line")
        with self.path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._ends = _line_ends(file)

    def __reduce__(self) -> tuple[type["JsonLines"], tuple[Path, IntArray | None]]:
        return JsonLines, (self.path, self._kept)  # a worker process maps the file anew

    @property
    def n_lines(self) -> int:
        """Lines of the file, whether they are kept or not."""
        return len(self._ends)

    def __len__(self) -> int:
        return self.n_lines if self._kept is None else len(self._kept)

    def __getitem__(self, position: int) -> dict[str, Any]:
        return self.row(position).values

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (row.values for row in self.rows())

    def rows(self) -> Iterator[Row]:
        """All rows in order, each with its line and typed access to its fields."""
        return (self.row(position) for position in range(len(self)))

    def row(self, position: int) -> Row:
        """One of these rows."""
        if not 0 <= position < len(self):
            raise IndexError(f"row {position} of {len(self)} in {self.path}")
        line = position if self._kept is None else int(self._kept[position])
        return Row(self._parse(line), self.path, line + 1)

    def _parse(self, row: int) -> dict[str, Any]:
        start, end = 0 if row == 0 else int(self._ends[row - 1]) + 1, int(self._ends[row])
        if (size := self._bytes.size()) < end:  # of the file: to read its map there would end the process (SIGBUS)
            told = f"this line is gone: another process has cut the file to {size} bytes since this run opened it"
            raise DataError(self.path, row + 1, told)
        line = self._bytes[start:end]
        try:
            value = json.loads(line.decode("utf-8-sig"))  # Windows writes a byte order mark in front of a file
        except UnicodeDecodeError as error:
            raise DataError(self.path, row + 1, f"not UTF-8 text (byte {error.start} of the line)") from error
        except json.JSONDecodeError as error:
            what = "an empty line" if not line.strip() else f"not JSON ({error.msg}, column {error.colno})"
            raise DataError(self.path, row + 1, f"{what}; expected one JSON object a line") from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
            raise DataError(self.path, row + 1, f"JSON that cannot be read ({error})") from error
        if not isinstance(value, dict):
            raise DataError(self.path, row + 1, f"expected a JSON object, got {type(value).__name__}")
        return value


def json_line(row: Mapping[str, Any]) -> str:
    """A row as a line of such a file."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def _line_ends(data: BinaryIO) -> IntArray:
    """Positions of the line breaks (and of the end of an unfinished last line), in a mapped temporary file.

    The file is read, not looked at through the map: pages of a map stay with the process once they were touched.
    """
    with temporary_table(_blocks_of_line_ends(data)) as file:
        return np.memmap(file, dtype=np.int64, mode="r")


def _blocks_of_line_ends(data: BinaryIO) -> Iterator[IntArray]:
    start, block = 0, b""
    while following := data.read(_BLOCK):
        block = following
        yield (np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n")) + start).astype(np.int64)
        start += len(block)
    if not block.endswith(b"\n"):
        yield np.array([start], dtype=np.int64)
