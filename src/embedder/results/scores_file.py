"""`scores.json` of an evaluation folder: its one reader and its one writer."""

import json
from collections.abc import Iterable, Mapping
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
_FIELDS = {"task": str, "dataset": str, "retriever": str, "mean": dict, "per_query": dict, "protocol": dict}


@dataclass(frozen=True)
class Results:
    """What one evaluation found.

    Args:
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
    names = [row.name for row in read]
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
    def check(fits: bool, where: str, expected: str, got: Any) -> None:
        if not fits:
            raise DataError(path, None, f"rows[{number}]{where}: expected {expected}, got {got!r:.60}")

    check(isinstance(row, dict), "", "a JSON object", row)
    for field, kind in _FIELDS.items():
        expected = "text" if kind is str else "a JSON object"
        check(isinstance(row.get(field), kind), f".{field}", expected, row.get(field))
    for metric, values in row["per_query"].items():
        where, mean = f".per_query.{metric}", row["mean"].get(metric)
        check(isinstance(values, dict) and bool(values), where, "a value for each query id", values)
        is_positive = metric in EXPONENTIAL
        for query_id, value in values.items():
            fits = is_number(value) and (value > 0 or not is_positive)
            check(fits, f"{where}.{query_id}", "a number above 0" if is_positive else "a number", value)
        check(is_number(mean), f".mean.{metric}", "a number", mean)
        found = mean_of(metric, values.values())
        if not isclose(found, mean, rel_tol=1e-6, abs_tol=1e-9):
            message = f"expected values whose mean is {mean:g}, as the row says; their mean is {found:g}"
            raise DataError(path, None, f"rows[{number}]{where}: {message}: was the file edited?")
    parts, macro = row.get("parts", {}), row.get("macro", [])
    fits = isinstance(parts, dict) and all(isinstance(own, dict) for own in parts.values())
    check(fits, ".parts", "the part of each query id by field", parts)
    check(isinstance(macro, list), ".macro", "a list of fields", macro)
    return Row(row["task"], row["dataset"], row["retriever"], row["per_query"], row["protocol"], parts, macro)
