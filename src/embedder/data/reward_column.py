"""Rewards beside a file of records: for another reward a small file is written, and the records stay unchanged."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedder.errors import reading

Values = npt.NDArray[np.float32]
Lengths = npt.NDArray[np.int64]
Block = tuple[Values, Lengths]
"""Rewards of successive records, one record after the other, and how many of them each record has."""


class RewardColumn:
    """The rewards of each record of a file, mapped into memory.

    Args:
        path: `NAME.npy` with the rewards of all records, one after the other; `NAME.ends.npy` says where each ends.

    Raises:
        DataError: A file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path, "not a whole file of rewards: delete its folder", OSError, ValueError, EOFError):
            self._values = np.load(path, mmap_mode="r", allow_pickle=False)
            self._ends = np.load(_ends(path), mmap_mode="r", allow_pickle=False)

    def __reduce__(self) -> tuple[type["RewardColumn"], tuple[Path]]:
        return RewardColumn, (self.path,)  # a worker process maps the file anew

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, position: int) -> list[float]:
        start = int(self._ends[position - 1]) if position else 0
        rewards: list[float] = self._values[start : int(self._ends[position])].tolist()
        return rewards


def without_flat(blocks: Iterable[Block], min_gap: float) -> Iterator[Block]:
    """The same blocks without the rewards of records whose best and worst differ by less than `min_gap`."""
    for values, lengths in blocks:
        starts = np.cumsum(lengths) - lengths
        filled = lengths > 0  # reduceat has no value for a record without rewards
        gaps = np.zeros(len(lengths), np.float32)
        if filled.any():
            runs = starts[filled]
            gaps[filled] = np.maximum.reduceat(values, runs) - np.minimum.reduceat(values, runs)
        wide = gaps >= np.float32(min_gap)
        yield values[np.repeat(wide, lengths)], np.where(wide, lengths, 0)


def write_reward_column(path: Path, blocks: Iterable[Block]) -> None:
    """Write the files of a `RewardColumn`.

    Args:
        path: Ends in `.npy`.
        blocks: In the order of the records.
    """
    values, lengths = [], []
    for block_values, block_lengths in blocks:
        values.append(block_values)
        lengths.append(block_lengths)
    np.save(path, np.concatenate(values) if values else np.empty(0, np.float32))
    np.save(_ends(path), np.cumsum(np.concatenate(lengths)) if lengths else np.empty(0, np.int64))


def _ends(path: Path) -> Path:
    return path.with_suffix(".ends.npy")
