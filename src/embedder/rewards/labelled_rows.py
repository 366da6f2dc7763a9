"""The rewards of prepared records, row by row, with what was known about each candidate before."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from embedder.data.fields import Row
from embedder.data.records import Records, parse_record
from embedder.types import Record


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """The rewards of one query's candidates, and what was known about each candidate before.

    Args:
        rewards: Larger is better, at least one.
        is_positive: Whether the candidate is labelled as relevant.
        sources: Who proposed it, None where that is not known.
        ranks: Its rank in the ranking of the source, from 1; None where that is not known.
    """

    rewards: tuple[float, ...]
    is_positive: tuple[bool, ...]
    sources: tuple[str | None, ...]
    ranks: tuple[int | None, ...]


def labelled_rows(records: Records) -> Iterator[LabelledRow]:
    """The rewards of each judged record; sources and ranks are None in a file without `pos_source`, `neg_source`.

    Raises:
        DataError: A row is not a record, belongs to another task.
    """
    for position in range(len(records)):
        row = records.row(position)
        record = parse_record(row, records.task)
        if not record.rewards:
            continue
        proposals = proposals_of(row, record)
        n_positives, n_negatives = len(record.positives), len(record.negatives)
        yield LabelledRow(
            rewards=record.rewards,
            is_positive=(True,) * n_positives + (False,) * n_negatives,
            sources=tuple(proposal.source for proposal in proposals),
            ranks=tuple(proposal.rank for proposal in proposals),
        )


class Proposal(NamedTuple):
    """Who proposed a key of a record, with its rank and score there; None where the file does not say."""

    source: str | None = None
    rank: int | None = None
    score: float | None = None


def proposals_of(row: Row, record: Record) -> tuple[Proposal, ...]:
    """Of each positive, then each negative of the record that the row is.

    Raises:
        DataError: There are not as many as keys.
    """
    positives = _proposals(row, "pos_source", len(record.positives))
    return positives + _proposals(row, "neg_source", len(record.negatives))


def _proposals(row: Row, field: str, n: int) -> tuple[Proposal, ...]:
    sources = row.items(field) or [[None, None, None]] * n
    if len(sources) != n or not all(map(_is_source, sources)):
        raise row.error(f"field {field!r}: expected [source, rank, score] for each of {n} keys")
    return tuple(Proposal(*source) for source in sources)


def _is_source(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str | None)
        and isinstance(value[1], int | None)
        and isinstance(value[2], float | int | None)
    )
