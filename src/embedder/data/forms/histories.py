"""Memory of a dialogue: each unit of a history becomes a key, and a query may be compared with its own history only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from embedder.data.forms.form import ORIGIN, Rows
from embedder.data.id_table import RowsById
from embedder.data.jsonl import JsonLines


@dataclass(frozen=True)
class Histories:
    """`histories.jsonl` (`history_id`, `history`: a list of texts) and queries with `history_id` and `evidence`.

    Unit 7 of the history h is the key `h/7`; `evidence`, positions in the history, becomes `pos`.
    """

    def fits(self, files: Mapping[str, Path]) -> bool:
        """Whether there are histories."""
        return "histories" in files

    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The files by id; see `Form`."""
        histories = RowsById(files["histories"], "history_id")
        yield "corpus", _keys(histories.lines)
        for split in ("train", "test"):
            if split in files:
                yield split, _queries(files[split], split, histories)


def _keys(histories: JsonLines) -> Rows:
    """One row for each unit of each history."""
    for row in histories.rows():
        units = row.texts("history")
        if not units or not all(unit.strip() for unit in units):
            raise row.error("field 'history': expected a list of texts, none of them blank")
        for position, unit in enumerate(units):
            yield {"id": f"{row.text('history_id')}/{position}", "text": unit, ORIGIN: ("histories", row.line)}


def _queries(path: Path, split: str, histories: RowsById) -> Rows:
    @lru_cache(maxsize=256)
    def length_of(history_id: str) -> int:
        return len(histories[history_id].items("history"))

    for row in JsonLines(path).rows():
        history = row.text("history_id")
        try:
            length = length_of(history)
        except KeyError:
            raise row.error(f"field 'history_id' names {history!r}, which is not in the histories") from None
        evidence = row.integers("evidence")
        if outside := [position for position in evidence if not 0 <= position < length]:
            expected = f"expected positions from 0 to {length - 1} in the history"
            raise row.error(f"field 'evidence': {expected}, got {outside[0]}")
        others = {name: value for name, value in row.values.items() if name not in ("history_id", "evidence")}
        yield others | {
            "pos": [f"{history}/{position}" for position in evidence],
            "among": [f"{history}/0", f"{history}/{length - 1}"],
            ORIGIN: (split, row.line),
        }
