"""Typed access to the fields of a JSON row; errors name file and line."""

import math
from pathlib import Path
from typing import Any

from embedder.errors import DataError

_LARGEST = 3.0e38  # what a tensor of float32 holds


class Row:
    """One JSON object, and its file and line.

    Args:
        values: The parsed object.
        path: Its file.
        line: Its line, from 1.
    """

    def __init__(self, values: dict[str, Any], path: Path, line: int) -> None:
        self.values = values
        self.path = path
        self.line = line

    def error(self, message: str) -> DataError:
        """An error that names this row."""
        return DataError(self.path, self.line, message)

    def __contains__(self, field: str) -> bool:
        return self.values.get(field) is not None

    def text(self, field: str, default: str | None = None) -> str:
        """A string; without a default it must be there and not blank."""
        value = self.values.get(field)
        if value is None and default is not None:
            return default
        self._require(field, isinstance(value, str), "a string")
        if default is None and not value.strip():  # type: ignore[union-attr]  # checked to be a string above
            raise self.error(f"field {field!r} is blank")
        return self._utf8(field, str(value))

    def value(self, field: str) -> Any:
        """Whatever it is; it must be there."""
        self._require(field, field in self and self.values[field] is not None, "a value")
        return self.values[field]

    def label(self, field: str) -> str:
        """A string or a whole number, as text; empty if the field is missing."""
        value = self.values.get(field)
        if value is None:
            return ""
        self._require(field, isinstance(value, str | int), "a string or a whole number")
        return self._utf8(field, str(value))

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings, empty if the field is missing."""
        return tuple(self._utf8(field, text) for text in self._list(field, str, "a list of strings"))

    def integers(self, field: str) -> tuple[int, ...]:
        """A list of integers, empty if the field is missing."""
        return tuple(self._list(field, int, "a list of integers"))

    def items(self, field: str) -> list[Any]:
        """A list of anything, empty if the field is missing."""
        return self._list(field, object, "a list")

    def numbers(self, field: str) -> tuple[float, ...]:
        """A list of numbers that are finite in float32, empty if the field is missing."""
        try:
            values = tuple(float(value) for value in self._list(field, (int, float), "a list of numbers"))
        except OverflowError:
            values = (math.inf,)
        if not all(abs(value) <= _LARGEST for value in values):  # not so for NaN either
            raise self.error(f"field {field!r} holds a number that is not finite in float32")
        return values

    def _utf8(self, field: str, text: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError as error:  # JSON can write half a character: "\\ud800"
            raise self.error(f"field {field!r} holds half a surrogate pair at character {error.start}") from error
        return text

    def _list(self, field: str, kind: type | tuple[type, ...], expected: str) -> list[Any]:
        value = self.values.get(field)
        if value is None:
            return []
        is_list = isinstance(value, list)
        self._require(
            field, is_list and all(isinstance(item, kind) and not isinstance(item, bool) for item in value), expected
        )
        return list(value)

    def _require(self, field: str, right: bool, expected: str) -> None:
        if field not in self.values:
            present = ", ".join(sorted(self.values)) or "none"
            raise self.error(f"missing field {field!r} (fields here: {present})")
        if not right:
            got = self.values[field]
            raise self.error(f"field {field!r}: expected {expected}, got {type(got).__name__} {str(got)[:60]!r}")
