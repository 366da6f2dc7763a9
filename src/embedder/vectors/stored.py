"""The vectors of a corpus that lie on disk, read from memory maps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedder.errors import DataError
from embedder.types import FloatArray, IntArray
from embedder.vectors.manifest import Manifest
from embedder.vectors.shard import open_shard


@dataclass(frozen=True)
class StoredVectors:
    """Implements `embedder.types.Vectors` over the shards of a folder; a shard is mapped while it is read from.

    Args:
        folder: Of the shards.
        manifest: Which of them, in which order.
        for_one_step: Whether no later run looks for them, so that nothing is kept beside them.
    """

    folder: Path
    manifest: Manifest
    for_one_step: bool = False

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.manifest.about["dimension"])

    @property
    def about(self) -> Mapping[str, Any]:
        """Encoder, side, instruction, length and digest of the texts."""
        return {**self.manifest.about, "texts": self.manifest.texts}

    @property
    def beside(self) -> Path | None:
        """How the names of files begin that belong to these vectors, such as their index; None where none are kept."""
        return None if self.for_one_step else self.folder / f"index-{self.manifest.texts[:12]}"

    def __len__(self) -> int:
        return self.manifest.count

    def rows(self, start: int, stop: int) -> FloatArray:
        """The vectors at the positions from `start` to before `stop`, float32 [n, D].

        Raises:
            ValueError: There are no such positions.
            DataError: A shard is missing, or of another form than the manifest says.
        """
        if not 0 <= start <= stop <= len(self):
            raise ValueError(f"positions {start} to {stop} of {len(self)}")
        rows = np.empty((stop - start, self.dimension), np.float32)
        size = self.manifest.shard_size
        for number in range(start // size, -(-stop // size)):
            first, last = max(start, number * size), min(stop, (number + 1) * size)
            rows[first - start : last - start] = self._shard(number)[first - number * size : last - number * size]
        return rows

    def at(self, positions: IntArray) -> FloatArray:
        """The vectors at some positions, in their order, float32 [n, D]; those of one shard are read together.

        Raises:
            ValueError: There are no such positions.
            DataError: See `rows`.
        """
        wanted = np.asarray(positions, np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise ValueError(f"positions {wanted.min()} to {wanted.max()} of {len(self)}")
        rows = np.empty((len(wanted), self.dimension), np.float32)
        shards, places = np.divmod(wanted, self.manifest.shard_size)
        for number in np.unique(shards).tolist():
            here = shards == number
            rows[here] = self._shard(number)[places[here]]
        return rows

    def path(self, number: int) -> Path:
        """The file of a shard."""
        return self.folder / f"{self.manifest.shards[number]}.npy"

    def _shard(self, number: int) -> FloatArray:
        vectors, size = open_shard(self.path(number)), self.manifest.shard_size
        expected = (min(size, len(self) - number * size), self.dimension)
        if vectors.shape != expected or vectors.dtype != self.manifest.about["dtype"]:
            what = f"{vectors.dtype} {list(vectors.shape)} in place of {self.manifest.about['dtype']} {list(expected)}"
            raise DataError(self.path(number), None, f"vectors of another form ({what}): encode the corpus again")
        return vectors
