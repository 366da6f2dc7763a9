"""`scores.json` of an evaluation folder: its one reader and its one writer."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isclose, isfinite
from pathlib import Path
from typing import Any

from embedder.errors import DataError
from embedder.results.measures import EXPONENTIAL, mean_of
from embedder.results.row import Row
from embedder.results.scores import Scores

FORMAT = 2
SCORES, UNFINISHED = "scores.json", "rows.jsonl"
"""What holds the rows of a finished evaluation, and of one that is under way: a head, then a row on each line."""
_FIELDS: dict[str, type] = {
    "task": str,
    "dataset": str,
    "retriever": str,
    "mean": dict,
    "per_query": dict,
    "protocol": dict,
}


@dataclass(frozen=True)
class Results:
    """What one evaluation found.

    Args:
        folder: Where it lies.
        protocol: Of the run: environment, checkpoint, encoder.
        rows: One for each data set and retriever.
    """

    folder: Path
    protocol: dict[str, Any]
    rows: tuple[Row, ...]

    @cached_property
    def scores(self) -> Scores:
        """The rows, by data set, retriever and metric."""
        return Scores(self.rows)


def read_results(folder: Path | str) -> Results:
    """Read `scores.json` of an evaluation folder.

    Rows without values of queries are left out: there is nothing to test them with.

    Raises:
        DataError: There is no such file, it is damaged, or its means do not belong to its values.
    """
    path = Path(folder) / SCORES
    if not path.is_file():
        if path.with_name(UNFINISHED).is_file():
            message = "this evaluation is not finished; the same command with hydra.run.dir=FOLDER resumes it"
            raise DataError(folder, None, message)
        what = "the folder has no scores.json" if Path(folder).is_dir() else "no such folder"
        raise DataError(folder, None, f"{what}; expected the folder of an evaluation, such as outputs/evaluate/DATE")
    protocol, rows = read_rows(path)
    if not rows:
        raise DataError(path, None, 'expected "protocol" and a list of "rows" that is not empty')
    usable = tuple(row for row in rows if row.per_query)
    if not usable:
        raise DataError(path, None, "no row has values of queries (per_query): there is nothing to compare or to show")
    return Results(Path(folder), protocol, usable)


def read_rows(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """The protocol of the run and all rows, of `scores.json` or of `rows.jsonl`.

    Raises:
        DataError: The file is damaged, of another format, or its means do not belong to its values.
    """
    content = _unfinished(path) if path.name == UNFINISHED else _parsed(path, path.read_bytes())
    if content.get("format") != FORMAT:
        raise DataError(path, None, f"format {content.get('format')!r}; this version reads format {FORMAT}")
    rows, protocol = content.get("rows"), content.get("protocol")
    if not isinstance(rows, list) or not isinstance(protocol, dict):
        raise DataError(path, None, 'expected "protocol" and a list of "rows" that is not empty')
    read = [_row(path, number, row) for number, row in enumerate(rows)]
    names = [(row.task, row.dataset, row.retriever) for row in read]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise DataError(path, None, f"the row {' / '.join(repeated[0])} is there twice")
    return protocol, read


def scores_text(protocol: Mapping[str, Any], rows: Iterable[Row]) -> str:
    """What `scores.json` holds."""
    content = {"format": FORMAT, "protocol": protocol, "rows": [_as_json(row) for row in rows]}
    return json.dumps(content, indent=1, allow_nan=False)


def head_line(protocol: Mapping[str, Any]) -> str:
    """The first line of `rows.jsonl`."""
    return json.dumps({"format": FORMAT, "protocol": protocol}, allow_nan=False) + "\n"


def row_line(row: Row) -> str:
    """A line of `rows.jsonl`."""
    return json.dumps(_as_json(row), allow_nan=False) + "\n"


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _as_json(row: Row) -> dict[str, Any]:
    values = {field: getattr(row, field) for field in (*_FIELDS, "parts")}
    return values | {"macro": list(row.macro)}


def _unfinished(path: Path) -> dict[str, Any]:
    """What `rows.jsonl` holds, as `scores.json` would, without a last line that was cut off."""
    with path.open("rb") as file:
        lines = [_parsed(path, line) for line in file if line.endswith(b"\n")]
    if not lines:
        raise DataError(path, None, "expected a line with the protocol, then a line for each row")
    return lines[0] | {"rows": lines[1:]}


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    def refuse(name: str) -> float:
        raise DataError(path, None, f"{name} is no score")

    try:
        parsed = json.loads(content.decode(), parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise DataError(path, None, f"not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise DataError(path, error.lineno, f"not JSON ({error.msg}, column {error.colno}); was it cut?") from error
    except (ValueError, RecursionError) as error:
        raise DataError(path, None, f"JSON that cannot be read ({error})") from error
    if not isinstance(parsed, dict):
        raise DataError(path, None, f"expected a JSON object, got {type(parsed).__name__}")
    return parsed


def _row(path: Path, number: int, row: Any) -> Row:
    name = f"rows[{number}]"
    if not isinstance(row, dict):
        raise DataError(path, None, f"{name}: expected a JSON object, got {type(row).__name__}")
    for field, kind in _FIELDS.items():
        if not isinstance(row.get(field), kind):
            expected = "text" if kind is str else "a JSON object"
            raise DataError(path, None, f"{name}.{field}: expected {expected}, got {row.get(field)!r:.60}")
    for metric, values in row["per_query"].items():
        _check_values(path, f"{name}.per_query.{metric}", metric, values)
        _check_mean(path, name, metric, row["mean"].get(metric), values)
    parts, macro = row.get("parts", {}), row.get("macro", [])
    if not isinstance(parts, dict) or not all(isinstance(own, dict) for own in parts.values()):
        raise DataError(path, None, f"{name}.parts: expected the part of each query id by field, got {parts!r:.60}")
    if not isinstance(macro, list):
        raise DataError(path, None, f"{name}.macro: expected a list of fields, got {macro!r:.60}")
    return Row(row["task"], row["dataset"], row["retriever"], row["per_query"], row["protocol"], parts, macro)


def _check_values(path: Path, where: str, metric: str, values: Any) -> None:
    if not isinstance(values, dict) or not values:
        raise DataError(path, None, f"{where}: expected a value for each query id, got {values!r:.60}")
    fits: Callable[[Any], bool] = is_number
    expected = "a number"
    if metric in EXPONENTIAL:
        fits, expected = (lambda value: is_number(value) and value > 0), "a number above 0"
    for query_id, value in values.items():
        if not fits(value):
            raise DataError(path, None, f"{where}.{query_id}: expected {expected}, got {value!r:.60}")


def _check_mean(path: Path, name: str, metric: str, mean: Any, values: Mapping[str, float]) -> None:
    if not is_number(mean):
        raise DataError(path, None, f"{name}.mean.{metric}: expected a number, got {mean!r:.60}")
    found = mean_of(metric, values.values())
    if not isclose(found, mean, rel_tol=1e-6, abs_tol=1e-9):
        message = f"expected values whose mean is {mean:g}, as the row says; their mean is {found:g}"
        raise DataError(path, None, f"{name}.per_query.{metric}: {message}: was the file edited?")
