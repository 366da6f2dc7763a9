"""The stored training row: the published LLM-Embedder JSON Lines format, read and written.

    {"query": "...", "pos": ["..."], "neg": ["..."], "pos_index": [3], "neg_index": [8], "teacher_scores": [2.0, -1.0],
     "answers": ["..."], "history": ["..."], "task": "qa"}

`teacher_scores` are the rewards of pos + neg; a record of a dialogue has `history` in the place of `neg`. We add
`query_id`, `pos_id`, `neg_id` (names of the keys), `pos_source`, `neg_source` (who proposed each key, its rank and
score) and `other_pos` (labelled keys that are not among the candidates, never to be negatives). Fields that are not
listed here are left alone. Records that we prepare keep their rewards in a file of their own (`RewardColumn`), so that
another reward does not write the texts again.
Source: Zhang et al., ACL 2024 (arXiv 2310.07554), released training data.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embedder.data.fields import Row
from embedder.data.jsonl import JsonLines
from embedder.data.known_positives import KnownPositives
from embedder.data.reward_column import RewardColumn
from embedder.errors import DataError
from embedder.texts import text_hash
from embedder.types import Candidate, IntArray, Key, Query, Record


class Records:
    """The records of one file, parsed and checked on access.

    Args:
        path: A JSON Lines file in the format above.
        task: If given, a record that names another task is an error.
        rewards: Takes the place of the field `teacher_scores`; a record without rewards there is not judged.
        kept: Indices of the lines that count, in rising order; None for all of them.
        known: Positives of the same queries on other lines.

    Raises:
        DataError: There are not as many rewards as records; on access, a record is malformed.
    """

    def __init__(
        self,
        path: Path | str,
        task: str | None = None,
        rewards: RewardColumn | None = None,
        kept: IntArray | None = None,
        known: KnownPositives | None = None,
    ) -> None:
        self._rows = JsonLines(path, kept)
        self.path = self._rows.path
        self._known = known
        self.task = task
        self._rewards = rewards
        if rewards is not None and len(rewards) != self._rows.n_lines:
            raise DataError(rewards.path, None, f"rewards of {len(rewards)} records for {self._rows.n_lines} in {path}")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Record:
        return parse_record(self.row(position), self.task, self._known)

    def row(self, position: int) -> Row:
        """The row of a record as the file has it, with its rewards."""
        row = self._rows.row(position)
        if self._rewards is not None:
            row.values.pop("teacher_scores", None)
            if rewards := self._rewards[row.line - 1]:
                row.values["teacher_scores"] = rewards
        return row

    def __iter__(self) -> Iterator[Record]:
        return (self[position] for position in range(len(self)))


def parse_record(row: Row, task: str | None = None, known: KnownPositives | None = None) -> Record:
    """Check a row and turn it into a record; a labelled text is no negative, even where the row lists it as negative.

    Args:
        row: The row.
        task: If given, a row that names another one is an error.
        known: Positives of the same query on other lines.

    Raises:
        DataError: A field is missing, has a wrong type, or lists that belong together differ in length.
    """
    if task is not None and (named := row.text("task", default=task)) != task:
        raise row.error(f"field 'task' is {named!r}, but this file is read for the task {task!r}")
    positives = _keys(row, "pos")
    negatives = _keys(row, "history" if "history" in row and "neg" not in row else "neg")
    rewards = row.numbers("teacher_scores") if "teacher_scores" in row else None
    if rewards is not None and len(rewards) != len(positives) + len(negatives):
        raise row.error(
            f"field 'teacher_scores' has {len(rewards)} numbers for "
            f"{len(positives)} positives + {len(negatives)} negatives"
        )
    if not positives and rewards is None:
        raise row.error("needs 'pos' (labelled keys) or 'teacher_scores' (rewards of all keys)")
    if not positives and not negatives:
        raise row.error("has neither 'pos' nor 'neg': there is nothing to retrieve")
    query = row.text("query")
    here = map(text_hash, (*(key.text for key in positives), *row.texts("other_pos")))
    labelled = dict.fromkeys((*here, *(() if known is None else known.of(query))))
    kept = [k for k, key in enumerate(negatives) if text_hash(key.text) not in labelled]
    if rewards is not None:
        rewards = rewards[: len(positives)] + tuple(rewards[len(positives) + k] for k in kept)
    return Record(
        id=row.label("query_id") if "query_id" in row else text_id(query),
        query=query,
        positives=positives,
        negatives=tuple(negatives[k] for k in kept),
        rewards=rewards,
        answers=row.texts("answers"),
        known_positives=tuple(labelled),
    )


def record_row(
    query: Query, candidates: tuple[Candidate, ...], task: str, other_positives: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The JSON object of a record; gold candidates become positives, all others negatives.

    Args:
        query: The query.
        candidates: Its candidates, gold ones first.
        task: The task's name.
        other_positives: Texts of its labelled keys that are not among the candidates.
    """
    gold = [candidate for candidate in candidates if candidate.source == "gold"]
    others = [candidate for candidate in candidates if candidate.source != "gold"]
    if list(candidates) != gold + others:
        raise ValueError("gold candidates must come first")
    row: dict[str, Any] = {
        "query_id": query.id,
        "query": query.text,
        "pos": [candidate.key.text for candidate in gold],
        "neg": [candidate.key.text for candidate in others],
        "pos_id": [candidate.key.id for candidate in gold],
        "neg_id": [candidate.key.id for candidate in others],
        "pos_source": [[candidate.source, candidate.rank, candidate.score] for candidate in gold],
        "neg_source": [[candidate.source, candidate.rank, candidate.score] for candidate in others],
    }
    if other_positives:
        row["other_pos"] = list(other_positives)
    return row | {"answers": list(query.answers), "task": task}


def text_id(text: str) -> str:
    """An id made from the text itself, for rows that have none: texts of one normal form are one key."""
    return hash_id(text_hash(text))


def hash_id(text_hash: int) -> str:
    """The `text_id` of what has this hash."""
    return f"{text_hash % 2**64:016x}"


def _keys(row: Row, side: str) -> tuple[Key, ...]:
    texts = row.texts(side)
    names = row.texts(f"{side}_id") or tuple(str(index) for index in row.integers(f"{side}_index"))
    if names and len(names) != len(texts):
        raise row.error(f"field '{side}' has {len(texts)} texts, but its ids count {len(names)}")
    if any(not text.strip() for text in texts):
        raise row.error(f"field '{side}' holds a blank text")
    return tuple(Key(id=name, text=text) for name, text in zip(names or map(text_id, texts), texts, strict=True))
