"""The log-likelihoods that an LLM gave, kept on disk under content addresses so that nothing is scored twice."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from embedder.llm.address import ADDRESS_BYTES
from embedder.llm.shards import ShardFolder, addresses_column
from embedder.types import OutputScore

logger = logging.getLogger(__name__)

_SCHEMA = pa.schema([("address", pa.binary(16)), ("sum_logprob", pa.float64()), ("n_tokens", pa.int32())])
_ADDRESS = np.dtype(f"S{ADDRESS_BYTES}")
_ROUNDING = 1e-4  # nats a token
_MERGE_ROWS = 100_000  # new rows are held in a dictionary up to this number, or a quarter of what is known


class ScoreStore:
    """Scores by address, in memory as sorted arrays (28 bytes a row), on disk as Parquet shards.

    Several processes may write to one directory at once; `refresh` shows what the others have added. The same address
    may come twice; either row serves, since both were computed from the same contents.

    Args:
        directory: Where shards are written and read.
        read_only: Further directories that are only read.
    """

    def __init__(self, directory: str | Path, read_only: Sequence[str | Path] = ()) -> None:
        self.directory = Path(directory)
        self._shards = ShardFolder(self.directory, _SCHEMA, [Path(folder) for folder in read_only])
        self._addresses = np.empty(0, dtype=_ADDRESS)  # [n], sorted
        self._sums = np.empty(0, dtype=np.float64)  # [n]
        self._counts = np.empty(0, dtype=np.int32)  # [n]
        self._recent: dict[bytes, OutputScore] = {}  # added, or read in small shards, and not yet in the arrays
        self._unwritten: dict[bytes, OutputScore] = {}  # added, and not on disk
        self._read(0)

    def __len__(self) -> int:
        """Number of distinct addresses known."""
        self._merge_recent()
        return len(self._addresses)

    def get(self, addresses: Sequence[bytes]) -> list[OutputScore | None]:
        """The scores at these addresses, None where nothing is stored."""
        if not len(self._addresses):
            return [self._recent.get(address) for address in addresses]
        wanted = np.array(addresses, dtype=_ADDRESS)
        positions = np.searchsorted(self._addresses, wanted)
        hits = self._addresses[np.minimum(positions, len(self._addresses) - 1)] == wanted
        return [
            OutputScore(float(self._sums[position]), int(self._counts[position])) if hit else self._recent.get(address)
            for address, position, hit in zip(addresses, positions.tolist(), hits.tolist(), strict=True)
        ]

    def add(self, addresses: Sequence[bytes], scores: Sequence[OutputScore]) -> None:
        """Add scores in memory; the next `flush` writes them.

        Raises:
            ValueError: One is no log-likelihood: stored, it would be believed for ever.
        """
        new = dict(zip(addresses, scores, strict=True))
        _, sums, counts = _arrays(new)
        if not (good := _are_log_likelihoods(sums, counts)).all():
            wrong = list(new.values())[int(good.argmin())]
            raise ValueError(f"{wrong} is not the log-likelihood of one token or more, and must not be stored")
        self._recent.update(new)
        self._unwritten.update(new)
        self._merge_many()

    def flush(self) -> None:
        """Write what was added since the last flush as one shard."""
        if self._unwritten:
            self._shards.write(_table(*_arrays(self._unwritten)))
            self._unwritten = {}

    def refresh(self) -> None:
        """Read the shards that other processes have written since the last look."""
        self._read(self._most_recent)

    def _read(self, most_recent: int) -> None:
        """Read new shards; up to so many rows at once wait in the dictionary for the next merge."""
        waiting: list[pa.Table] = []
        for table in self._shards.unread():
            waiting.append(table)
            # Not all at once: beside what is known there is never more than as much again.
            if sum(map(len, waiting)) > max(_MERGE_ROWS, len(self._addresses)):
                self._merge_tables(waiting, most_recent)
                waiting = []
        self._merge_tables(waiting, most_recent)

    def _merge_tables(self, tables: Sequence[pa.Table], most_recent: int) -> None:
        if sum(map(len, tables)):
            table = pa.concat_tables(tables)
            column = pa.concat_arrays(table["address"].chunks)
            # From the buffer: as Python objects the addresses would take five times the memory.
            addresses = np.frombuffer(column.buffers()[1], _ADDRESS, len(column), column.offset * ADDRESS_BYTES)
            sums, counts = table["sum_logprob"].to_numpy(), table["n_tokens"].to_numpy()
            good = _are_log_likelihoods(sums, counts)
            if not good.all():
                message = "%d of %d scores read for %s are no log-likelihoods: they are left out, to be made again"
                logger.warning(message, len(good) - good.sum(), len(good), self.directory)
                addresses, sums, counts = addresses[good], sums[good], counts[good]
            if len(addresses) > most_recent:
                self._merge(addresses, sums, counts)
                return
            for address, total, count in zip(addresses.tolist(), sums.tolist(), counts.tolist(), strict=True):
                self._recent.setdefault(_whole(address), OutputScore(total, count))
            self._merge_many()

    def compact(self) -> None:
        """Merge all shards of the directory, with what is in the read-only ones, into one without duplicates."""
        self.flush()
        self.refresh()
        self._merge_recent()
        if len(self._addresses):
            self._shards.replace_all(_table(self._addresses, self._sums, self._counts))

    def describe(self) -> str:
        """What is there, in words."""
        return f"{len(self):,} scores: {self._shards.describe()}"

    @property
    def _most_recent(self) -> int:
        """A merge goes through all that is known, so it comes once for so many rows, however few come at a time."""
        return max(_MERGE_ROWS, len(self._addresses) // 4)

    def _merge_many(self) -> None:
        if len(self._recent) > self._most_recent:
            self._merge_recent()

    def _merge_recent(self) -> None:
        if self._recent:
            self._merge(*_arrays(self._recent))
            self._recent = {}

    def _merge(
        self, addresses: npt.NDArray[np.bytes_], sums: npt.NDArray[np.float64], counts: npt.NDArray[np.int32]
    ) -> None:
        # np.unique keeps the first of equal addresses, so what is known wins over what comes.
        self._addresses, kept = np.unique(np.concatenate([self._addresses, addresses]), return_index=True)
        self._sums = np.concatenate([self._sums, sums])[kept]
        self._counts = np.concatenate([self._counts, counts])[kept]


def _are_log_likelihoods(sums: npt.NDArray[np.float64], counts: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Whether each is finite and, but for what float32 adds in rounding, not above 0, and over one token or more."""
    return (sums > -np.inf) & (sums <= _ROUNDING * counts) & (counts > 0)


def _arrays(
    scores: dict[bytes, OutputScore],
) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    return (
        np.array(list(scores), dtype=_ADDRESS),
        np.array([score.sum_logprob for score in scores.values()], dtype=np.float64),
        np.array([score.n_tokens for score in scores.values()], dtype=np.int32),
    )


def _table(addresses: npt.NDArray[np.bytes_], sums: npt.NDArray[np.float64], counts: npt.NDArray[np.int32]) -> pa.Table:
    column = addresses_column(map(_whole, addresses.tolist()))
    return pa.table([column, pa.array(sums), pa.array(counts)], schema=_SCHEMA)


def _whole(address: bytes) -> bytes:
    """Numpy drops zero bytes at the end of an S16 element when it is taken out; they are put back."""
    return address.ljust(ADDRESS_BYTES, b"\0")
