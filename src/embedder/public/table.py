"""One published table, on a hub or in files of the same form, streamed through the library `datasets`."""

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from embedder.checks import check_types
from embedder.data.fields import Row
from embedder.errors import ConfigError, DataError, MissingExtraError

_INSTALL = "pip install 'embedder[benchmark]'"
_NO_CODE = 4  # first version of the library that has no loading scripts
_COLUMN = r"\{([\w.-]+)\}"


@dataclass(frozen=True)
class Table:
    """Where rows come from. No code of a data set is ever run, and no row is held in memory.

    Args:
        name: A data set of the hub, such as `nq_open`, or with `files` a kind of file: json, parquet, csv.
        split: Such as `test`.
        config: Part of the data set.
        revision: Commit or tag of the hub; None for the newest.
        files: Paths, patterns or URLs: of files of that kind, or inside the data set of the hub.
        options: For the reader of these files, such as the delimiter of csv.
        json_columns: Columns whose texts are JSON.
        take: At most so many rows, from the start.
    """

    name: str
    split: str = "train"
    config: str | None = None
    revision: str | None = None
    files: str | Sequence[str] | None = None
    options: Mapping[str, Any] | None = None
    json_columns: Sequence[str] = ()
    take: int | None = None

    def __post_init__(self) -> None:
        check_types(self, "table")
        if self.take is not None and self.take < 1:
            raise ConfigError("table.take", "1 or more, or null for all", self.take)

    @property
    def label(self) -> str:
        """What messages call it."""
        parts = [self.name, *([self.config] if self.config else []), self.split]
        return "/".join(parts) if self.files is None else f"{self.files} ({self.split})"

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """All rows; a column `answer` that holds an object `{"aliases": ..}` gives `answer.aliases` too.

        Args:
            columns: What must be there.

        Raises:
            MissingExtraError: The library is not installed.
            ConfigError: It is of a version that runs code of data sets.
            DataError: It cannot be loaded, has other columns or no rows.
        """
        number = 0
        for number, values in enumerate(self._values(), 1):
            flat = _flat(values)
            if number == 1 and (missing := [column for column in columns if column not in flat]):
                raise DataError(
                    self.label, None, f"expected the columns {list(columns)}, got {list(flat)}: no {missing[0]!r}"
                )
            yield Row(flat, Path(self.label), number)
            if number == self.take:
                break
        if not number:
            raise DataError(self.label, None, "expected rows, got none")

    def _values(self) -> Iterator[dict[str, Any]]:
        load_dataset = _loader()
        settings = dict(self.options or {})
        if self.files is not None:
            settings["data_files"] = {self.split: self.files if isinstance(self.files, str) else list(self.files)}
        try:
            rows = load_dataset(
                self.name, self.config, split=self.split, revision=self.revision, streaming=True, **settings
            )
            # Of a JSON array the library does not tell the columns, and gives the items of mixed lists as JSON.
            is_raw = rows.features is None
            for number, values in enumerate(rows, 1):
                yield {name: self._decoded(name, value, number, is_raw=is_raw) for name, value in values.items()}
        # No such data set, split, file or option; a file that was cut off.
        except (OSError, ValueError, TypeError, RuntimeError, EOFError, zlib.error, StopIteration) as error:
            cause = next(iter(str(error).splitlines()), type(error).__name__)
            raise DataError(self.label, None, f"cannot be loaded: {cause}") from error

    def _decoded(self, name: str, value: Any, number: int, *, is_raw: bool) -> Any:
        if name not in self.json_columns:
            return value
        if is_raw and isinstance(value, list):
            return [self._decoded(name, item, number, is_raw=True) for item in value]
        try:
            return json.loads(value) if isinstance(value, str) else value
        except json.JSONDecodeError as error:
            raise DataError(self.label, number, f"column {name!r}: expected JSON, got {value[:60]!r}") from error


def _loader() -> Callable[..., Any]:
    """What loads a data set, in a version that runs none of its code."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", _INSTALL, "the public form of a benchmark") from error
    if int(datasets.__version__.split(".")[0]) < _NO_CODE:
        expected = f"version {_NO_CODE} or later, for those before run code that a data set brings along ({_INSTALL})"
        raise ConfigError("the library datasets", expected, datasets.__version__)
    loader: Callable[..., Any] = datasets.load_dataset
    return loader


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The columns, and those inside of objects by their path."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat[prefix + name] = value
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
    return flat


def tables_of(settings: Any) -> Iterator[Table]:
    """All tables inside of settings."""
    if isinstance(settings, Table):
        yield settings
    elif isinstance(settings, Mapping):
        for value in settings.values():
            yield from tables_of(value)
    elif is_dataclass(settings):
        for field in fields(settings):
            yield from tables_of(getattr(settings, field.name))


def texts(row: Row, column: str) -> tuple[str, ...]:
    """The texts of a column that holds one or a list of them; none where it is null."""
    if column not in row:
        return ()
    return (row.text(column, default=""),) if isinstance(row.value(column), str) else row.texts(column)


def fill(template: str, row: Row) -> str:
    """A text with the values of columns, named in braces, in their places; what is no text is written as JSON."""

    def value(match: re.Match[str]) -> str:
        found = row.value(match[1]) if match[1] in row else ""  # the column is there, its value is null
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)

    return re.sub(_COLUMN, value, template)


def columns_in(template: str) -> list[str]:
    """The columns that `fill` reads."""
    return re.findall(_COLUMN, template)
