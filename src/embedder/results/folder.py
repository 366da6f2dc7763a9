"""The folder that an evaluation leaves, written row by row, so that a killed one resumes."""

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from embedder.errors import DataError
from embedder.files import whole_file, write_atomically
from embedder.results.answers import ANSWERS, Answered
from embedder.results.row import Row, RowName
from embedder.results.scores_file import SCORES, UNFINISHED, head_line, read_rows, row_line, scores_text

logger = logging.getLogger(__name__)


class EvaluationFolder:
    """`scores.json` with all rows, written at the end, and `queries.jsonl` with a line for each row and query.

    Until then `rows.jsonl` stands for it: its first line is the protocol, and every row is a line, added when
    the lines of its queries are written. So whatever a kill cuts off is lines without a row or a last line without its
    end, and both are dropped when the next row is added. Nothing changes in a folder before the first row is; rows
    that a run of other settings does not score go to `earlier-1`, an evaluation folder of its own.

    Args:
        protocol: Of the run. Rows that lie there already are kept only if theirs is the same.

    Raises:
        DataError: There is a `scores.json` or `rows.jsonl` that is no result of an evaluation.
    """

    def __init__(self, directory: Path, protocol: Mapping[str, Any]) -> None:
        self.scores_path, self._queries_path = directory / SCORES, directory / ANSWERS
        self._rows_path = directory / UNFINISHED
        self._protocol = _plain(protocol)
        self.rows: list[Row] = []
        """Those of this run, in order."""
        self._aside: list[Row] = []
        """Those that were found and that this run does not score."""
        self._moved: list[Row] = []
        self._earlier: Path | None = None
        """Where those go, and which have gone there."""
        self._found_protocol = self._protocol
        self._kept = {row.name: row for row in self._read()}
        self._is_clean = False  # whether the files hold the rows of `rows` and `_kept` and nothing else

    def take(self, row: Row) -> bool:
        """Whether the row has been scored by the same protocol before; it then counts as scored.

        Args:
            row: What is to be scored; its scores are not read.
        """
        kept = self._kept.get(row.name)
        if kept is None:
            return False
        if kept.protocol != _plain(row.protocol):
            self._aside.append(self._kept.pop(row.name))
            self._is_clean = False
            return False
        self.rows.append(kept)
        return True

    def add(self, row: Row, lines: Iterable[Answered]) -> None:
        """Write a row and its lines."""
        if not self._is_clean:
            self._clean()
        with self._queries_path.open("a", encoding="utf-8") as file:
            file.writelines(line.line() for line in lines)
        with self._rows_path.open("a", encoding="utf-8") as file:
            file.write(row_line(row))
        self.rows.append(row)

    def close(self) -> None:
        """Keep the rows of this run; the others are moved to another folder."""
        scored = {row.name for row in self.rows}
        self._aside += [row for name, row in self._kept.items() if name not in scored]
        self._set_aside()
        write_atomically(self.scores_path, scores_text(self._protocol, self.rows))
        self._rows_path.unlink(missing_ok=True)
        self._keep_lines({row.name for row in self.rows})
        self._is_clean = False

    def _clean(self) -> None:
        """From here on `rows.jsonl` counts; rows go before the lines of their queries."""
        self._set_aside()
        rows = self._kept | {row.name: row for row in self.rows}
        with whole_file(self._rows_path) as file:
            file.write(head_line(self._protocol).encode())
            file.writelines(row_line(row).encode() for row in rows.values())
        self.scores_path.unlink(missing_ok=True)
        self._keep_lines(rows)
        self._is_clean = True

    def _set_aside(self) -> None:
        """Write what this run does not score into a folder of its own, the same for all of a run."""
        if not self._aside:
            return
        parent = self.scores_path.parent
        if self._earlier is None:
            self._earlier = next(parent / f"earlier-{n}" for n in count(1) if not (parent / f"earlier-{n}").exists())
        self._moved += self._aside
        write_atomically(self._earlier / SCORES, scores_text(self._found_protocol, self._moved))
        if self._queries_path.is_file():
            names = {row.name for row in self._aside}
            with self._queries_path.open("rb") as old, (self._earlier / ANSWERS).open("ab") as new:
                new.writelines(line for line in old if _name_of_line(line) in names)
        names_aside = ", ".join("/".join(row.name) for row in self._aside)
        logger.warning(
            "rows of an earlier run are moved to %s, because this run has other settings or rows: %s",
            self._earlier,
            names_aside,
        )
        self._aside = []

    def _read(self) -> list[Row]:
        """The rows that lie there and are of the same protocol."""
        path = self._rows_path if self._rows_path.is_file() else self.scores_path
        if not path.is_file():
            return []
        try:
            protocol, rows = read_rows(path)
        except DataError as error:
            raise DataError(path, None, f"no result of an evaluation ({error})") from error
        same = protocol == self._protocol
        logger.info(
            "%s: %d rows are there; %s",
            path,
            len(rows),
            "those of the same settings are kept" if same else "scored by another protocol, they are scored again",
        )
        if not same:
            self._aside, self._found_protocol = rows, protocol
        return rows if same else []

    def _keep_lines(self, names: Collection[RowName]) -> None:
        """Drop the lines of other rows, and a last line that was cut off."""
        if not self._queries_path.is_file():
            return
        with self._queries_path.open("rb") as old, whole_file(self._queries_path) as new:
            new.writelines(line for line in old if _name_of_line(line) in names)


def _name_of_line(line: bytes) -> RowName | None:
    try:
        values = json.loads(line)
        return values["task"], values["dataset"], values["retriever"]
    except (ValueError, KeyError, TypeError):  # cut off in the middle
        return None


def _plain(value: Any) -> Any:
    """As it comes back from JSON: tuples are lists there."""
    return json.loads(json.dumps(value))
