"""Hard negatives that training found with its own encoder: tables beside the records, which replace theirs."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from embedder.errors import DataError
from embedder.files import whole_folder
from embedder.types import IntArray, Key, KeyStore


class FreshNegatives:
    """The negatives of every training record of a data set, mapped into memory.

    Args:
        path: A `.npy` table of whole numbers, [R, N]: positions in the corpus, -1 where a record has fewer than N.
        corpus: Where the keys are.

    Raises:
        DataError: The file is missing or damaged.
    """

    def __init__(self, path: Path, corpus: KeyStore) -> None:
        self.path, self._corpus = path, corpus
        try:
            self._table = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(path, None, f"not a whole table of negatives ({error})") from error

    def __reduce__(self) -> tuple[type["FreshNegatives"], tuple[Path, KeyStore]]:
        return FreshNegatives, (self.path, self._corpus)  # a worker process maps the file anew

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, record: int) -> tuple[Key, ...]:
        return tuple(self._corpus[position] for position in self.positions(record))

    def positions(self, record: int) -> list[int]:
        """Positions of a record's negatives in the corpus, in rising order."""
        row = self._table[record]
        positions: list[int] = row[row >= 0].tolist()
        return positions


def publish(parent: Path, step: int, tables: Mapping[str, IntArray]) -> tuple[str, str]:
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
                np.save(partial / f"{number}.npy", tables[name])
            manifest = {"step": step, "digest": digest, "tables": sorted(tables)}
            (partial / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return folder.name, digest


def published(folder: Path, digest: str) -> dict[str, Path]:
    """The files of a folder that `publish` wrote, by name of the data set.

    Raises:
        DataError: There is no such folder, or it holds other tables.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        paths = {name: folder / f"{number}.npy" for number, name in enumerate(manifest["tables"])}
        digest_here = _digest({name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in paths.items()})
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(folder, None, f"the checkpoint trains with the negatives of this folder ({error})") from error
    if digest_here != digest:
        raise DataError(folder, None, f"expected the negatives with the digest {digest[:12]}, got {digest_here[:12]}")
    return paths


def _digest(tables: Mapping[str, IntArray]) -> str:
    state = hashlib.sha256()
    for name in sorted(tables):
        table = tables[name]
        state.update(f"{name}/{table.dtype}/{table.shape}".encode())
        state.update(np.ascontiguousarray(table).data)
    return state.hexdigest()
