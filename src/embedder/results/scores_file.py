"""`scores.json` of an evaluation folder: its one reader and its one writer."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from embedder.errors import DataError
from embedder.results.row import Row
from embedder.results.scores import Scores
from embedder.results.sealed_json import DAMAGED, sealed, unsealed

FORMAT = 2
SCORES, UNFINISHED = "scores.json", "rows.jsonl"
"""What holds the rows of a finished evaluation, and of one that is under way: a head, then a row on each line."""
_FIELDS = ("task", "dataset", "retriever", "mean", "per_query", "protocol", "parts")


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
        DataError: There is no such file, it was edited or damaged, or it has no values of queries.
    """
    path = Path(folder) / SCORES
    if not path.is_file():
        if path.with_name(UNFINISHED).is_file():
            message = "this evaluation is not finished; the same command with hydra.run.dir=FOLDER resumes it"
            raise DataError(folder, None, message)
        what = "the folder has no scores.json" if Path(folder).is_dir() else "no such folder"
        raise DataError(folder, None, f"{what}; expected the folder of an evaluation, such as outputs/evaluate/DATE")
    protocol, rows = read_rows(path)
    usable = tuple(row for row in rows if row.per_query)
    if not usable:
        raise DataError(path, None, "no row has values of queries (per_query): there is nothing to compare or to show")
    return Results(Path(folder), protocol, usable)


def read_rows(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """The protocol of the run and all rows, of `scores.json` or of `rows.jsonl`.

    Raises:
        DataError: The file was edited or damaged, or is of another format.
    """
    content = _unfinished(path) if path.name == UNFINISHED else _parsed(path, path.read_bytes())
    if content.get("format") != FORMAT:
        raise DataError(path, None, f"format {content.get('format')!r}; this version reads format {FORMAT}")
    rows = [Row(**{field: row[field] for field in (*_FIELDS, "macro") if field != "mean"}) for row in content["rows"]]
    return content["protocol"], rows


def scores_text(protocol: Mapping[str, Any], rows: Iterable[Row]) -> str:
    """What `scores.json` holds."""
    return sealed({"format": FORMAT, "protocol": protocol, "rows": [_as_json(row) for row in rows]}, indent=1)


def head_line(protocol: Mapping[str, Any]) -> str:
    """The first line of `rows.jsonl`."""
    return sealed({"format": FORMAT, "protocol": protocol}) + "\n"


def row_line(row: Row) -> str:
    """A line of `rows.jsonl`."""
    return sealed(_as_json(row)) + "\n"


def _as_json(row: Row) -> dict[str, Any]:
    return {field: getattr(row, field) for field in _FIELDS} | {"macro": list(row.macro)}


def _unfinished(path: Path) -> dict[str, Any]:
    """What `rows.jsonl` holds, as `scores.json` would, without a last line that was cut off."""
    with path.open("rb") as file:
        lines = [_parsed(path, line, number) for number, line in enumerate(file, 1) if line.endswith(b"\n")]
    if not lines:
        raise DataError(path, None, "expected a line with the protocol, then a line for each row")
    return lines[0] | {"rows": lines[1:]}


def _parsed(path: Path, text: bytes, line: int | None = None) -> dict[str, Any]:
    try:
        parsed = json.loads(text.decode())
    except UnicodeDecodeError as error:
        raise DataError(path, line, f"not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        where = line or error.lineno
        raise DataError(path, where, f"not JSON ({error.msg}, column {error.colno}); was it cut?") from error
    except (ValueError, RecursionError) as error:
        raise DataError(path, line, f"JSON that cannot be read ({error})") from error
    if not isinstance(parsed, dict):
        raise DataError(path, line, f"expected a JSON object, got {type(parsed).__name__}")
    if (content := unsealed(parsed)) is None:
        raise DataError(path, line, DAMAGED)
    return content
