"""Vectors of an encoder cut to their first numbers, as those of another encoder beside it are."""

from collections.abc import Sequence

import numpy as np

from embedder.errors import ConfigError
from embedder.types import Encoder, FloatArray, Reading


class CutEncoder:
    """Another encoder, whose vectors are cut and brought back to unit length.

    Args:
        encoder: The encoder.
        dimension: How many first numbers of each vector stay.

    Raises:
        ConfigError: The vectors of the encoder have fewer numbers.
    """

    def __init__(self, encoder: Encoder, dimension: int) -> None:
        if dimension > encoder.dimension:
            expected = f"null, or at most the {encoder.dimension} numbers of a vector of the checkpoint"
            raise ConfigError("encoder.dimension", expected, dimension)
        self._encoder, self._dimension = encoder, dimension

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    def encode(self, texts: Sequence[str], reading: Reading, *, progress: bool = False) -> FloatArray:
        """Unit vectors, [n, D], float32."""
        vectors = self._encoder.encode(texts, reading, progress=progress)[:, : self._dimension]
        unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit
