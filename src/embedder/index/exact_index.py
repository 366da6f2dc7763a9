"""Find the vectors with the largest inner product exactly, where they lie, without FAISS."""

import numpy as np

from embedder.bounds import PositiveFloat
from embedder.checks import checked
from embedder.index.array_vectors import ArrayVectors, check_vectors
from embedder.index.exact_search import best_of_blocks
from embedder.index.fill import blocks
from embedder.types import FloatArray, IntArray, Vectors


@checked("index")
class ExactIndex:
    """Compares queries with all vectors, block by block; vectors on disk stay there.

    >>> index = ExactIndex()
    >>> index.add(np.array([[1.0, 0.0], [0.5, 0.75]], np.float32))
    >>> index.search(np.array([[0.0, 1.0]], np.float32), top_k=3)[1].tolist()  # there is no third vector
    [[1, 0, -1]]

    Args:
        block_mb: Megabytes of vectors that are in memory together; their scores for 256 queries come on top, which are
            256 / D times as much.
    """

    was_found = False

    def __init__(self, block_mb: PositiveFloat = 64) -> None:
        self._block_bytes = int(block_mb * 1e6)
        self._vectors: Vectors | None = None

    def __len__(self) -> int:
        return 0 if self._vectors is None else len(self._vectors)

    def begin(self, vectors: Vectors, *, progress: bool = False) -> int:
        """Search these vectors, where they are, in place of those before."""
        self._vectors = vectors
        return len(vectors)

    def add(self, vectors: FloatArray) -> None:
        """Append vectors, [n, D], to those in memory.

        Raises:
            ValueError: They are not finite, or not of the dimension of those already there.
        """
        vectors = np.asarray(vectors, np.float32)
        width = None if self._vectors is None else self._vectors.dimension
        check_vectors("vectors", vectors, width)
        before = [] if self._vectors is None else [self._vectors.rows(0, len(self._vectors))]
        self._vectors = ArrayVectors(np.concatenate([*before, vectors]))

    def finish(self) -> None:
        """Nothing to be done."""

    def search(self, queries: FloatArray, top_k: int) -> tuple[FloatArray, IntArray]:
        """Inner products and positions, best first, both [Q, K]; -inf and -1 where there are fewer than K.

        Raises:
            ValueError: Queries or vectors are not finite, or are of other dimensions.
        """
        queries = np.asarray(queries, np.float32)
        check_vectors("queries", queries, None if self._vectors is None else self._vectors.dimension)
        stop = len(self)
        ranges = blocks(0, stop, queries.shape[1], self._block_bytes)
        return best_of_blocks(queries, self._finite_rows, ranges, top_k)

    def vectors(self, start: int, stop: int) -> FloatArray:
        """The vectors at the positions from `start` to before `stop`, [n, D].

        Raises:
            ValueError: They are not in the index.
        """
        if not 0 <= start <= stop <= len(self):
            raise ValueError(f"positions {start} to {stop} of {len(self)}")
        return np.empty((0, 0), np.float32) if self._vectors is None else self._vectors.rows(start, stop)

    def _finite_rows(self, start: int, stop: int) -> FloatArray:
        vectors = self.vectors(start, stop)
        check_vectors("vectors", vectors, vectors.shape[1], first=start)
        return vectors
