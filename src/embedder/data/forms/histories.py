"""Memory of a dialogue: each unit of a history becomes a key, and a query may be compared with its own history only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from embedder.data.fields import Row
from embedder.data.forms.form import ORIGIN, Rows
from embedder.data.id_table import IdTable
from embedder.data.jsonl import JsonLines


@dataclass(frozen=True)
class Histories:
    """`histories.jsonl` (`history_id`, `history`: a list of texts) and queries with `history_id` and `evidence`.

    Unit 7 of the history h is the key `h/7`; `evidence`, places in the history, becomes `pos`.
    """

    def fits(self, files: Mapping[str, Path]) -> bool:
        """Whether there are histories."""
        return "histories" in files

    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The files by id; see `Form`."""
        histories = _Histories(files["histories"])
        yield "corpus", histories.keys()
        for split in ("train", "test"):
            if split in files:
                yield split, _queries(files[split], split, histories)


class _Histories:
    """Histories by id; none of them is held in memory."""

    def __init__(self, path: Path) -> None:
        self._rows = JsonLines(path)
        self._table = IdTable((self._id(row) for row in range(len(self._rows))), len(self._rows), self._id, path)
        self._length = lru_cache(maxsize=256)(lambda row: len(self._row(row).items("history")))

    def keys(self) -> Rows:
        """One row a unit."""
        for number in range(len(self._rows)):
            row = self._row(number)
            units = row.texts("history")
            if not units or not all(unit.strip() for unit in units):
                raise row.error("field 'history': expected a list of texts, none of them blank")
            for place, unit in enumerate(units):
                yield {"id": f"{row.text('history_id')}/{place}", "text": unit, ORIGIN: ("histories", number + 1)}

    def length(self, history_id: str) -> int:
        """Units of a history; KeyError for an unknown one."""
        return self._length(self._table.row(history_id))

    def _row(self, number: int) -> Row:
        return Row(self._rows[number], self._rows.path, number + 1)

    def _id(self, number: int) -> str:
        return self._row(number).text("history_id")


def _queries(path: Path, split: str, histories: _Histories) -> Rows:
    for line, values in enumerate(JsonLines(path), 1):
        row = Row(values, path, line)
        history = row.text("history_id")
        try:
            length = histories.length(history)
        except KeyError:
            raise row.error(f"field 'history_id' names {history!r}, which is not in the histories") from None
        evidence = row.integers("evidence")
        if wrong := [place for place in evidence if not 0 <= place < length]:
            raise row.error(f"field 'evidence': expected places from 0 to {length - 1} in the history, got {wrong[0]}")
        others = {name: value for name, value in values.items() if name not in ("history_id", "evidence")}
        yield others | {
            "pos": [f"{history}/{place}" for place in evidence],
            "among": [f"{history}/0", f"{history}/{length - 1}"],
            ORIGIN: (split, line),
        }
