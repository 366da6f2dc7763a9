"""The folder that an evaluation leaves, written row by row, so that a killed one goes on where it was."""

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from embedder.data.prepared import write_atomically
from embedder.errors import DataError
from embedder.evaluation.row import Row

logger = logging.getLogger(__name__)

_FORMAT = 2

Name = tuple[str, str, str]
"""Task, data set and retriever."""


class EvaluationFolder:
    """`scores.json` with all rows, and `queries.jsonl` with a line for each row and query.

    The lines of a row are written first and its scores last, in one step: lines without scores are those of a row that
    was cut off, and are dropped when the folder is opened again.

    Args:
        directory: The folder.
        protocol: Of the run. Rows that lie there already are kept only if theirs is the same.

    Raises:
        DataError: There is a `scores.json` that is no result of an evaluation.
    """

    def __init__(self, directory: Path, protocol: Mapping[str, Any]) -> None:
        self.scores_path, self._queries_path = directory / "scores.json", directory / "queries.jsonl"
        self._protocol = _plain(protocol)
        self.rows: list[Row] = []
        """Those of this run, in order."""
        self._kept = {_name(row): row for row in self._read()}
        self._keep_lines(self._kept)

    def take(self, row: Row) -> bool:
        """Whether the row has been scored by the same protocol before; it then counts as scored.

        Args:
            row: What is to be scored; its scores are not looked at.
        """
        kept = self._kept.get(_name(row))
        if kept is None:
            return False
        if kept.protocol != _plain(row.protocol):
            del self._kept[_name(row)]
            self._keep_lines({*self._kept, *map(_name, self.rows)})
            return False
        self.rows.append(kept)
        return True

    def add(self, row: Row, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write a row and its lines."""
        self._queries_path.parent.mkdir(parents=True, exist_ok=True)
        with self._queries_path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        self.rows.append(row)
        scored = {_name(one) for one in self.rows}
        self._write([*self.rows, *(kept for name, kept in self._kept.items() if name not in scored)])

    def close(self) -> None:
        """Keep the rows of this run and no others."""
        self._write(self.rows)
        self._keep_lines({_name(row) for row in self.rows})

    def _write(self, rows: Iterable[Row]) -> None:
        content = {"format": _FORMAT, "protocol": self._protocol, "rows": [row.as_json() for row in rows]}
        write_atomically(self.scores_path, json.dumps(content, indent=1, allow_nan=False))

    def _read(self) -> list[Row]:
        """The rows that lie there and are of the same protocol."""
        if not self.scores_path.is_file():
            return []
        try:
            found = json.loads(self.scores_path.read_text(encoding="utf-8"))
            rows = [Row(**row) for row in found["rows"]]
            same = (found.get("format"), found["protocol"]) == (_FORMAT, self._protocol)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(self.scores_path, None, f"no result of an evaluation ({type(error).__name__})") from error
        logger.info(
            "%s: %d rows are there; %s",
            self.scores_path,
            len(rows),
            "those of the same settings are kept" if same else "scored by another protocol, they are scored again",
        )
        return rows if same else []

    def _keep_lines(self, names: Collection[Name]) -> None:
        """Drop the lines of other rows, and a last line that was cut off."""
        if not self._queries_path.is_file():
            return
        partial = self._queries_path.with_name(f".{self._queries_path.name}.partial")
        with (
            self._queries_path.open(encoding="utf-8", errors="replace") as old,
            partial.open("w", encoding="utf-8") as new,
        ):
            new.writelines(line for line in old if _name_of_line(line) in names)
        partial.replace(self._queries_path)


def _name(row: Row) -> Name:
    return row.task, row.dataset, row.retriever


def _name_of_line(line: str) -> Name | None:
    try:
        values = json.loads(line)
        return values["task"], values["dataset"], values["retriever"]
    except (ValueError, KeyError, TypeError):  # cut off in the middle
        return None


def _plain(value: Any) -> Any:
    """As it comes back from JSON: tuples are lists there."""
    return json.loads(json.dumps(value))
