"""The labels of a file of records that look wrong, counted and the most suspicious kept."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from embedder.audit.suspects import Suspect, false_negatives, wrong_labels
from embedder.data.records import Records, parse_record
from embedder.rewards.labelled_rows import proposals_of

MOST = 100
"""Suspects of a kind that are kept."""


@dataclass
class Suspects:
    """The most suspicious keys of one kind, best first, and counts of all.

    Args:
        most: How many are kept.
    """

    most: int = MOST
    keys: int = 0
    """How many keys were looked at."""
    suspected: int = 0
    signs: Counter[str] = field(default_factory=Counter)
    """How many of the suspected have each sign."""
    _heap: list[tuple[tuple[int, float], int, Suspect]] = field(default_factory=list)

    def add(self, n_keys: int, found: Iterable[Suspect]) -> None:
        """Count the keys of one record and the suspects among them."""
        self.keys += n_keys
        for suspect in found:
            self.suspected += 1
            self.signs.update(suspect.signs)
            # Among equals the first one stays, so that the page does not depend on the heap.
            entry = (suspect.suspicion, -self.suspected, suspect)
            (heapq.heappush if len(self._heap) < self.most else heapq.heappushpop)(self._heap, entry)

    @property
    def worst(self) -> list[Suspect]:
        """Those that are kept, the most suspicious first."""
        return [suspect for _, _, suspect in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


@dataclass(frozen=True)
class Audit:
    """What looks wrong in a file of records."""

    records: int
    false_negatives: Suspects
    wrong_labels: Suspects


def audit(records: Records, most: int = MOST) -> Audit:
    """Look at every record once; memory does not grow with them.

    Args:
        records: Of one data set.
        most: Suspects of a kind that are kept.

    Raises:
        DataError: A row is not a record, or belongs to another task.
    """
    negatives, labels = Suspects(most), Suspects(most)
    for position in range(len(records)):
        row = records.row(position)
        record = parse_record(row, records.task)
        proposals = proposals_of(row, record)
        negatives.add(len(record.negatives) if record.positives else 0, false_negatives(record, proposals))
        labels.add(len(record.positives), wrong_labels(record, proposals))
    return Audit(len(records), negatives, labels)
