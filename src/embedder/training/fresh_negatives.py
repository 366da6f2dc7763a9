"""Hard negatives that training found with its own encoder: tables beside the records, which replace theirs."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from embedder.errors import DataError, reading
from embedder.files import whole_folder
from embedder.types import FloatArray, IntArray, Key, KeyStore, Record

KEPT = -2
"""First number of the row of a record that keeps its own negatives and rewards."""


@dataclass(frozen=True)
class NegativeTable:
    """The negatives of every training record of a data set and, where the LLM judged them, their rewards.

    Args:
        positions: In the corpus, in rising order; -1 where a record has fewer than N, [R, N].
        rewards: Of the record's positives, P at most, and of its negatives, [R, P + N]; not numbers where there is no
            such key, and in all of a row that the LLM has not judged. None where the data set has no rewards.
    """

    positions: IntArray
    rewards: FloatArray | None = None


class FreshNegatives:
    """A `NegativeTable` on disk, mapped into memory.

    Args:
        path: A `.npy` file of its positions; its rewards, if it has any, lie beside it.
        corpus: Where the keys are.

    Raises:
        DataError: A file is missing or damaged.
    """

    def __init__(self, path: Path, corpus: KeyStore) -> None:
        self.path, self._corpus = path, corpus
        with reading(path, "not a whole table of negatives", OSError, ValueError, EOFError):
            self.table = read_table(path)

    def __reduce__(self) -> tuple[type["FreshNegatives"], tuple[Path, KeyStore]]:
        return FreshNegatives, (self.path, self._corpus)  # a worker process maps the file anew

    def __len__(self) -> int:
        return len(self.table.positions)

    def __getitem__(self, record: int) -> tuple[Key, ...]:
        return tuple(self._corpus[position] for position in self.positions(record))

    def positions(self, record: int) -> list[int]:
        """Positions of a record's new negatives in the corpus, in rising order."""
        row = self.table.positions[record]
        positions: list[int] = row[row >= 0].tolist()
        return positions

    def rows(self, record: int) -> tuple[IntArray, FloatArray]:
        """The row of a record in each table; only where there are rewards."""
        if self.table.rewards is None:
            raise ValueError(f"{self.path} has no rewards")
        return self.table.positions[record], self.table.rewards[record]

    def of(self, position: int, record: Record) -> Record:
        """The record at this position with its new negatives, and their rewards if the LLM has judged them."""
        if self.table.positions[position, 0] == KEPT:
            return record
        negatives = self[position]
        return replace(record, negatives=negatives, rewards=self._rewards(position, len(record.positives)))

    def _rewards(self, position: int, n_positives: int) -> tuple[float, ...] | None:
        if self.table.rewards is None or np.isnan(row := self.table.rewards[position]).all():
            return None
        first = len(row) - self.table.positions.shape[1]
        values = [*row[:n_positives].tolist(), *row[first : first + len(self.positions(position))].tolist()]
        return tuple(values)


def read_table(path: Path) -> NegativeTable:
    """A table as `publish` wrote it, mapped into memory."""
    beside = path.with_suffix(".rewards.npy")
    rewards = np.load(beside, mmap_mode="r", allow_pickle=False) if beside.is_file() else None
    return NegativeTable(np.load(path, mmap_mode="r", allow_pickle=False), rewards)


def publish(parent: Path, step: int, tables: Mapping[str, NegativeTable]) -> tuple[str, str]:
    """Write tables into a folder of their own, whole or not at all.

    The folder is named after its contents, so that one of that name never holds others: a run that was killed and comes
    to the same step again, or a process of another machine, finds its own tables there.

    Args:
        parent: Where the folder goes.
        step: Optimizer steps done.
        tables: By name of the data set, `task/name`.

    Returns:
        Name of the folder, and the digest of the tables.
    """
    digest = _digest(tables)
    folder = parent / f"step-{step:06d}-{digest[:12]}"
    if not folder.is_dir():
        with whole_folder(folder) as partial:
            for number, name in enumerate(sorted(tables)):
                np.save(partial / f"{number}.npy", tables[name].positions)
                if (rewards := tables[name].rewards) is not None:
                    np.save(partial / f"{number}.rewards.npy", rewards)
            manifest = {"step": step, "digest": digest, "tables": sorted(tables)}
            (partial / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return folder.name, digest


def published(folder: Path, digest: str) -> dict[str, Path]:
    """The files of a folder that `publish` wrote, by name of the data set.

    Raises:
        DataError: There is no such folder, or it holds other tables.
    """
    needed = "the checkpoint trains with the negatives of this folder"
    with reading(folder, needed, OSError, ValueError, KeyError, EOFError):
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        paths = {name: folder / f"{number}.npy" for number, name in enumerate(manifest["tables"])}
        digest_here = _digest({name: read_table(path) for name, path in paths.items()})
    if digest_here != digest:
        raise DataError(folder, None, f"expected the negatives with the digest {digest[:12]}, got {digest_here[:12]}")
    return paths


def _digest(tables: Mapping[str, NegativeTable]) -> str:
    state = hashlib.sha256()
    for name in sorted(tables):
        for values in (tables[name].positions, tables[name].rewards):
            if values is not None:
                state.update(f"{name}/{values.dtype}/{values.shape}".encode())
                state.update(np.ascontiguousarray(values).data)
    return state.hexdigest()
