"""Rewards beside a file of records: for another reward a small file is written, and the records stay unchanged."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from embedder.errors import DataError

Values = npt.NDArray[np.float32]
Lengths = npt.NDArray[np.int64]


class RewardColumn:
    """The rewards of each record of a file, mapped into memory.

    Args:
        path: `NAME.npy` with the rewards of all records, one after the other; `NAME.ends.npy` says where each ends.

    Raises:
        DataError: A file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._values = np.load(path, mmap_mode="r", allow_pickle=False)
            self._ends = np.load(_ends(path), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(path, None, f"not a whole file of rewards ({error}): delete its folder") from error

    def __reduce__(self) -> tuple[type["RewardColumn"], tuple[Path]]:
        return RewardColumn, (self.path,)  # a worker process maps the file anew

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, position: int) -> list[float]:
        start = int(self._ends[position - 1]) if position else 0
        rewards: list[float] = self._values[start : int(self._ends[position])].tolist()
        return rewards

    def wide(self, min_gap: float) -> npt.NDArray[np.int64]:
        """Indices of the records whose best and worst rewards differ by `min_gap` or more."""
        starts = np.concatenate([[0], self._ends[:-1]]).astype(np.int64)[: len(self)]
        filled = starts < self._ends  # reduceat has no value for a record without rewards
        gaps = np.zeros(len(self), np.float32)
        if filled.any():
            runs = starts[filled]
            gaps[filled] = np.maximum.reduceat(self._values, runs) - np.minimum.reduceat(self._values, runs)
        return np.flatnonzero(gaps >= np.float32(min_gap))


def write_reward_column(path: Path, blocks: Iterable[tuple[Values, Lengths]]) -> None:
    """Write the files of a `RewardColumn`.

    Args:
        path: Ends in `.npy`.
        blocks: Rewards of successive records, one record after the other, and how many of them each record has.
    """
    values, lengths = [], []
    for block_values, block_lengths in blocks:
        values.append(block_values)
        lengths.append(block_lengths)
    np.save(path, np.concatenate(values) if values else np.empty(0, np.float32))
    np.save(_ends(path), np.cumsum(np.concatenate(lengths)) if lengths else np.empty(0, np.int64))


def _ends(path: Path) -> Path:
    return path.with_suffix(".ends.npy")
