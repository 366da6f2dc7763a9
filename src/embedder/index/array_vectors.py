"""The vectors of a corpus that lie in memory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from embedder.types import FloatArray, IntArray


@dataclass(frozen=True)
class ArrayVectors:
    """Implements `embedder.types.Vectors` over an array, [n, D], which numpy may have mapped from a file.

    Args:
        array: Of any type of floats; what is read from it is float32.
        about: What the vectors depend on.
        beside: How the names of files begin that belong to them; None where none are kept.
    """

    array: np.ndarray[Any, Any]
    about: Mapping[str, Any] = field(default_factory=dict)
    beside: Path | None = None

    def __len__(self) -> int:
        return len(self.array)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.array.shape[1])

    def rows(self, start: int, stop: int) -> FloatArray:
        """The vectors at the positions from `start` to before `stop`, [n, D]."""
        return np.asarray(self.array[start:stop], np.float32)

    def at(self, positions: IntArray) -> FloatArray:
        """The vectors at some positions, [n, D]."""
        return np.asarray(self.array[positions], np.float32)


def check_vectors(name: str, vectors: FloatArray, dimension: int | None, first: int | None = None) -> None:
    """Refuse vectors that cannot be searched.

    Args:
        name: What they are.
        vectors: [n, D].
        dimension: What D has to be; None for any.
        first: The position of the first one in the corpus, which is named if it is known.

    Raises:
        ValueError: They have another shape, or hold NaN or infinity.
    """
    if vectors.ndim != 2 or dimension not in (None, vectors.shape[1]):
        width = "D" if dimension is None else dimension
        raise ValueError(f"{name}: expected the shape [n, {width}], got {list(vectors.shape)}")
    if math.isfinite(np.vdot(vectors, vectors)):  # a tenth of the time of looking at each number
        return
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        where = "" if first is None else f", the first of them at position {first + wrong[0]}"
        raise ValueError(f"{name}: {len(wrong)} rows hold NaN or infinity{where}")
