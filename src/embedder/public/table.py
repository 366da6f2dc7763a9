"""One published table, on a hub or in files of the same form, streamed through the library `datasets`."""

import json
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.bounds import Limit
from embedder.checks import checked
from embedder.data.fields import Row
from embedder.errors import ConfigError, DataError, MissingExtraError, extra

_INSTALL = extra("benchmark")
_NO_CODE = 4  # first version of the library that has no loading scripts
_COLUMN = r"\{([\w.-]+)\}"


@checked("table")
@dataclass(frozen=True)
class Table:
    """Where rows come from. No code of a data set is ever run, and no row is held in memory.

    Args:
        name: A data set of the hub, such as `cais/mmlu`, or with `files` a kind of file: json, parquet, csv.
        split: Such as `test`.
        config: Part of the data set.
        revision: Commit or tag of the hub; None for the newest.
        files: Paths, patterns or URLs: of files of that kind, or inside the data set of the hub. A tar archive stands
            for its first file.
        hub: The data set of the hub that files which are not here are loaded from as a whole, before they are read.
        options: For the reader of these files, such as the delimiter of csv.
        json_columns: Columns whose texts are JSON.
        take: At most so many rows, from the start.
    """

    name: str
    split: str = "train"
    config: str | None = None
    revision: str | None = None
    files: str | Sequence[str] | None = None
    hub: str | None = None
    options: Mapping[str, Any] | None = None
    json_columns: Sequence[str] = ()
    take: Limit | None = None

    @property
    def label(self) -> str:
        """What messages call it."""
        parts = [self.name, *([self.config] if self.config else []), self.split]
        return "/".join(parts) if self.files is None else f"{self.files} ({self.split})"

    @property
    def paths(self) -> list[str]:
        """Its `files`; without them, those of a folder that has the form of a data set of the hub."""
        if self.files is None:
            folder = Path(self.name, self.config or "")
            paths = (folder if folder.is_dir() else Path(self.name)).rglob("*")
            return [str(path) for path in sorted(paths) if path.is_file()]
        return [self.files] if isinstance(self.files, str) else list(self.files)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """All rows; a column `answer` that holds an object `{"aliases": ..}` gives `answer.aliases` too.

        Of a column that holds a list of objects, `paragraphs.title` is the list of their titles.

        Args:
            columns: What must be there.

        Raises:
            MissingExtraError: The library is not installed.
            ConfigError: It is of a version that runs code of data sets.
            DataError: It cannot be loaded, has other columns or no rows.
        """
        return rows_of(self._values(), columns, self.label, self.take)

    def _values(self) -> Iterator[dict[str, Any]]:
        load_dataset = _loader()
        settings = dict(self.options or {})
        try:
            if self.files is not None:
                settings["data_files"] = {self.split: [self._readable(path) for path in self.paths]}
            rows = load_dataset(
                self.name, self.config, split=self.split, revision=self.revision, streaming=True, **settings
            )
            for number, values in enumerate(rows, 1):
                yield {name: self._decoded(name, value, number) for name, value in values.items()}
        # No such data set, split, file or option; a file that was cut off.
        except (OSError, ValueError, TypeError, RuntimeError, EOFError, zlib.error, StopIteration) as error:
            raise not_loaded(self.label, error) from error

    def _readable(self, path: str) -> str:
        """What the library can stream: `wiki-18.jsonl.gz`, say, is a tar archive of one file, whatever its name."""
        if self.hub is not None and not Path(path).is_file():
            from huggingface_hub import hf_hub_download

            path = hf_hub_download(self.hub, path, repo_type="dataset", revision=self.revision)
        if not Path(path).is_file() or not tarfile.is_tarfile(path):
            return path
        with tarfile.open(path) as archive:
            member = next(entry.name for entry in archive if entry.isfile())
        return f"tar://{member}::{Path(path).absolute()}"

    def _decoded(self, name: str, value: Any, number: int) -> Any:
        if name not in self.json_columns or not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise DataError(self.label, number, f"column {name!r}: expected JSON, got {value[:60]!r}") from error


def rows_of(values: Iterator[dict[str, Any]], columns: Sequence[str], label: str, take: int | None) -> Iterator[Row]:
    """Rows of a table, once the first one has the columns that must be there.

    Raises:
        DataError: It has other columns, or no rows.
    """
    number = 0
    for number, row in enumerate(values, 1):
        flat = _flat(row)
        if number == 1 and (missing := [column for column in columns if column not in flat]):
            raise DataError(label, None, f"expected the columns {list(columns)}, got {list(flat)}: no {missing[0]!r}")
        yield Row(flat, Path(label), number)
        if number == take:
            break
    if not number:
        raise DataError(label, None, "expected rows, got none")


def not_loaded(label: str, error: Exception) -> DataError:
    """The message about a table that its library cannot load: the first line of the library's reason."""
    cause = next(iter(str(error).splitlines()), type(error).__name__)
    return DataError(label, None, f"cannot be loaded: {cause}")


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
    """The columns, and those inside of objects and of lists of objects by their path."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat[prefix + name] = value
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            value = {key: [item.get(key) for item in value] for key in value[0]}
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
    return flat


def texts(row: Row, column: str) -> tuple[str, ...]:
    """The texts of a column that holds one or a list of them; none where it is null."""
    if column not in row:
        return ()
    return (row.text(column, default=""),) if isinstance(row.value(column), str) else row.texts(column)


def fill(template: str, row: Row) -> str:
    """A template whose names in braces are replaced by the values of these columns, as JSON unless they are text."""

    def value(match: re.Match[str]) -> str:
        filled = row.value(match[1]) if match[1] in row else ""  # the column is there, its value is null
        return filled if isinstance(filled, str) else json.dumps(filled, ensure_ascii=False)

    return re.sub(_COLUMN, value, template)


def columns_in(template: str) -> list[str]:
    """The columns that `fill` reads."""
    return re.findall(_COLUMN, template)
