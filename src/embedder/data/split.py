"""A test file for a data set without one: a seeded part of its training queries, which is then not trained on."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from embedder.data.fields import Row
from embedder.data.forms.form import ORIGIN, Rows
from embedder.data.jsonl import JsonLines
from embedder.errors import DataError
from embedder.texts import question_form


@dataclass(frozen=True)
class SeededSplit:
    """Splits queries by a hash of what they ask, so that every run, in whatever order of lines, splits them alike.

    Queries that ask the same come into the same part, and so do those of one dialogue or document.

    Args:
        share: Of the queries, for tests.
    """

    share: float

    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The files `train` and `test`; see `Conversion`."""
        rows = JsonLines(files["train"])
        groups = [_group(row) for row in rows.rows()]
        sizes = Counter(groups)
        test: set[bytes] = set()
        left = max(1, round(self.share * len(groups)))
        for group in sorted(sizes):
            if left > 0:
                test.add(group)
                left -= sizes[group]
        if len(test) == len(sizes):
            message = (
                f"too few different queries ({len(sizes)}) to train on and to keep source.test_share of them for tests"
            )
            raise DataError(rows.path, None, message)
        yield "train", _part(rows, [group not in test for group in groups])
        yield "test", _part(rows, [group in test for group in groups])


def _part(rows: JsonLines, taken: Sequence[bool]) -> Rows:
    chosen = map(rows.row, compress(range(len(rows)), taken))
    return (row.values | {ORIGIN: ("train", row.line)} for row in chosen)


def _group(row: Row) -> bytes:
    """A hash of what belongs together: the start of the dialogue or document, or else the question."""
    among = row.texts("among")
    together = f"among/{among[0]}" if among else f"query/{question_form(row.text('query'))}"
    return hashlib.blake2b(together.encode(), digest_size=8, person=b"test share").digest()
