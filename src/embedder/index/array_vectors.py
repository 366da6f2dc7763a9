"""The vectors of a corpus that lie in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embedder.types import FloatArray, IntArray


@dataclass(frozen=True)
class ArrayVectors:
    """Implements `embedder.types.Vectors` over an array, [n, D], which numpy may have mapped from a file.

    Args:
        array: Of any type of floats; what is read from it is float32.
        about: What the vectors depend on.
    """

    array: np.ndarray[Any, Any]
    about: Mapping[str, Any] = field(default_factory=dict)

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
