"""The log-likelihoods that a query's rewards are made from, in memory and as a file beside the records.

The store of the LLM is addressed by content; a table file is in the order of the records, so that the rewards of a
million records are a few passes of numpy over a mapped file, without the LLM and without the store.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from embedder.errors import reading
from embedder.rewards.maths import Numbers

_SCHEMA = pa.schema(
    [
        ("n_answers", pa.int32()),
        ("n_rows", pa.int32()),  # 1 + C
        ("sums", pa.list_(pa.float64())),
        ("counts", pa.list_(pa.int32())),
    ]
)


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Scores of all outputs of a query, without a candidate and with each of C; or of several queries of one shape.

    Args:
        sums: Log-likelihoods in nats, [..., 1 + C, A + N]: the first row is without a candidate, the first A columns
            are the gold answers, the others their N competitors.
        counts: Tokens of each, the same shape.
        n_answers: A, at least one.
    """

    sums: Numbers
    counts: npt.NDArray[np.int32]
    n_answers: int

    @property
    def n_candidates(self) -> int:
        """C."""
        return int(self.sums.shape[-2]) - 1


_NOT_JUDGED = ScoreTable(np.empty((0, 0)), np.empty((0, 0), np.int32), 0)


class Reward(Protocol):
    """Rewards of candidates from the scores without and with each of them; larger is better."""

    def __call__(self, table: ScoreTable) -> Numbers:
        """One reward for each candidate, [..., C]."""


class TableWriter(AbstractContextManager["TableWriter"]):
    """Writes tables to a file, in the order of the records.

    Args:
        path: An Arrow file; complete once the context ends.
    """

    def __init__(self, path: Path) -> None:
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._file, _SCHEMA)

    def write(self, tables: Sequence[ScoreTable | None]) -> None:
        """Append one table for each query; None for one that is not judged, which gets no rewards."""
        if not tables:
            return
        filled = [_NOT_JUDGED if table is None else table for table in tables]
        offsets = np.cumsum([0, *(table.sums.size for table in filled)], dtype=np.int32)
        columns = [
            pa.array([table.n_answers for table in filled], pa.int32()),
            pa.array([len(table.sums) for table in filled], pa.int32()),
            *(
                pa.ListArray.from_arrays(offsets, np.concatenate([np.ravel(values) for values in column]))
                for column in ([table.sums for table in filled], [table.counts for table in filled])
            ),
        ]
        self._writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._file.close()


def rewards_of(tables: Sequence[ScoreTable], reward: Reward) -> list[tuple[float, ...]]:
    """Rewards of each query's candidates."""
    return [tuple(reward(table).tolist()) for table in tables]


def rewards_of_file(path: Path, reward: Reward) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
    """Rewards of all records of a table file, block by block.

    Args:
        path: What a `TableWriter` wrote; it is mapped, not read into memory.
        reward: Queries of one shape are handed to it together.

    Yields:
        Rewards of a block of records, one record after the other, and how many rewards each record has;
        none where it is not judged.

    Raises:
        DataError: The file is damaged.
    """
    damaged = "not a whole file of log-likelihoods: delete its folder"
    with reading(path, damaged, pa.ArrowException), pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            yield _block_rewards(reader.get_batch(number), reward)


def _block_rewards(block: pa.RecordBatch, reward: Reward) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    sums, counts = (block.column(name).flatten().to_numpy() for name in ("sums", "counts"))
    ends = np.cumsum(block.column("sums").value_lengths().to_numpy(), dtype=np.int64)
    sizes = np.diff(ends, prepend=0)
    n_rows, n_answers = (block.column(name).to_numpy() for name in ("n_rows", "n_answers"))
    n_rewards = np.maximum(n_rows - 1, 0).astype(np.int64)
    reward_starts = np.cumsum(n_rewards) - n_rewards
    earned = np.empty(int(n_rewards.sum()), dtype=np.float32)
    shapes, which = np.unique(np.stack([n_rows, sizes, n_answers]), axis=1, return_inverse=True)
    for k, (rows, size, answers) in enumerate(shapes.T.tolist()):
        if not rows:  # not judged
            continue
        members = np.flatnonzero(which.ravel() == k)
        cells = (ends[members] - size)[:, None] + np.arange(size)  # [Q, (1 + C) * (A + N)]
        shape = (len(members), rows, size // rows)
        table = ScoreTable(sums[cells].reshape(shape), counts[cells].reshape(shape), answers)
        earned[reward_starts[members][:, None] + np.arange(rows - 1)] = reward(table)  # [Q, C]
    return earned, n_rewards
