"""Dialogues of several sessions between two people: Multi-Session Chat."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from embedder.data.fields import Row
from embedder.data.forms.form import Rows
from embedder.public.form import PublicTable, splits


@dataclass(frozen=True)
class Sessions:
    """One session a row; the rows of a dialogue follow each other, in the order of its sessions.

    Two turns, one of each speaker, are a unit. Unit 7 of dialogue d is the key `d/7`. Of the last session every first
    turn of a unit is a query, the second one its answer, and the units before it, of all sessions, are its keys.

    Source: Xu, Szlam and Weston, ACL 2022 (arXiv 2107.07567); Zhang et al., ACL 2024 (arXiv 2310.07554).

    Args:
        test: The table.
        train: That of the training split, whose dialogues have `train-` before their ids; None for none.
        dialogue: Its column of dialogue ids.
        session: Its column of session numbers, which grow within a dialogue.
        turns: Its column of the texts of a session.
    """

    test: PublicTable
    train: PublicTable | None = None
    dialogue: str = "dialoug_id"  # so spelt in the published data
    session: str = "session_id"
    turns: str = "dialogue"

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """Units and queries; see `PublicForm`."""
        tables = splits(self.test, self.train)
        yield "corpus", (key for split in tables for key in self._keys(tables[split], split))
        for split, table in tables.items():
            yield split, self._queries(table, split)

    def _dialogues(self, table: PublicTable, split: str) -> Iterator[tuple[str, list[list[tuple[str, str]]]]]:
        """Id and sessions, each a list of units; an odd last turn is dropped."""
        rows = table.rows([self.dialogue, self.session, self.turns])
        seen: set[str] = set()
        for name, group in groupby(rows, key=lambda row: row.label(self.dialogue)):
            sessions, last = [], None
            for row in group:
                if name in seen or (last is not None and row.value(self.session) <= last):
                    raise row.error(f"dialogue {name!r}: expected its sessions one after the other, in order")
                last = row.value(self.session)
                sessions.append(self._units(row))
            seen.add(name)
            yield name if split == "test" else f"{split}-{name}", sessions

    def _units(self, row: Row) -> list[tuple[str, str]]:
        turns = [turn.strip() for turn in row.texts(self.turns)]
        if len(turns) < 2 or not all(turns):
            raise row.error(f"column {self.turns!r}: expected two texts or more, none of them blank, got {len(turns)}")
        return list(zip(turns[::2], turns[1::2], strict=False))

    def _keys(self, table: PublicTable, split: str) -> Rows:
        for name, sessions in self._dialogues(table, split):
            units = [unit for session in sessions for unit in session]
            for position, (first, second) in enumerate(units):
                yield {"id": f"{name}/{position}", "text": f"Speaker 1: {first}\nSpeaker 2: {second}"}

    def _queries(self, table: PublicTable, split: str) -> Rows:
        for name, sessions in self._dialogues(table, split):
            before = sum(map(len, sessions[:-1]))
            for position, (first, second) in enumerate(sessions[-1], before):
                if position:  # else there is nothing to remember
                    yield {
                        "query_id": f"{name}/{position}",
                        "query": first,
                        "answers": [second],
                        "among": [f"{name}/0", f"{name}/{position - 1}"],
                    }
