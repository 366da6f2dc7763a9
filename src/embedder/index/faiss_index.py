"""Find the vectors with the largest inner product, exactly or approximately, with FAISS."""

import logging
import re
from pathlib import Path
from typing import Any, Self

import numpy as np

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.errors import ConfigError, DataError
from embedder.files import whole_file
from embedder.index.fill import spread
from embedder.types import FloatArray, IntArray, Vectors

logger = logging.getLogger(__name__)

_FEWEST, _MOST = 39, 256  # vectors a centroid: FAISS warns below the first, and leaves out what is beyond the second
_TRAINING_BYTES = 1 << 30


@checked("index")
class FaissIndex:
    """Any index that FAISS can build from a factory string: `Flat` is exact, `IVF256,SQ8` small, `HNSW32` fast.

    `begin`, or else the first `add`, fixes the dimension and trains, where the factory needs it: on a sample of all
    vectors, or on those that it is given. Nothing is built before they come.

    >>> index = FaissIndex("Flat")
    >>> index.add(np.array([[1.0, 0.0], [0.5, 0.75]]))
    >>> scores, positions = index.search(np.array([[0.0, 1.0]]), top_k=3)
    >>> positions.tolist()  # there is no third vector
    [[1, 0, -1]]
    >>> scores.tolist()
    [[0.75, 0.0, -inf]]

    Args:
        factory: See https://github.com/facebookresearch/faiss/wiki/The-index-factory.
        nprobe: Lists visited by a query of an IVF index; None keeps FAISS's 1.
        ef_search: Nodes kept by a query of an HNSW index; None keeps FAISS's 16.
    """

    def __init__(
        self, factory: str = "Flat", *, nprobe: PositiveInt | None = None, ef_search: PositiveInt | None = None
    ) -> None:
        self._factory = factory
        self._settings = {"nprobe": nprobe, "efSearch": ef_search}
        self._index: Any = None

    def __len__(self) -> int:
        return 0 if self._index is None else int(self._index.ntotal)

    def begin(self, vectors: Vectors) -> int:
        """Train for vectors that will be added, on a sample from all of them.

        Returns:
            The position after those that are in the index.

        Raises:
            ConfigError: See `add`.
        """
        if self._index is None and len(vectors):
            index = self._built(vectors.dimension)
            if not index.is_trained:
                positions = spread(len(vectors), training_size(index))
                logger.info("training %s on %d of %d vectors", self._factory, len(positions), len(vectors))
                self._train(index, self._checked("vectors", vectors.at(positions)))
            self._index = index
        return len(self)

    def add(self, vectors: FloatArray) -> None:
        """Append vectors, [n, D]; their positions count on from those already there.

        Raises:
            ConfigError: The factory is unknown, does not fit the dimension, takes no such setting, or needs more
                vectors than these to train on.
            ValueError: The vectors are not finite, or not of the dimension of those already there.
        """
        vectors = self._checked("vectors", vectors)
        if self._index is None:
            index = self._built(vectors.shape[1])
            if not index.is_trained:
                self._train(index, vectors)
            self._index = index
        self._index.add(vectors)

    def search(self, queries: FloatArray, top_k: int) -> tuple[FloatArray, IntArray]:
        """Inner products and positions, best first, both [Q, K]; -inf and -1 where fewer than K were found.

        Raises:
            ValueError: `top_k` is below 1, or the queries are not finite or not of the dimension of the vectors.
        """
        if top_k < 1:
            raise ValueError(f"top_k: expected at least 1, got {top_k}")
        queries = self._checked("queries", queries)
        if self._index is None:
            shape = (len(queries), top_k)
            return np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64)
        scores, positions = self._index.search(queries, top_k)
        scores[positions < 0] = -np.inf
        return scores, positions

    def vectors(self, start: int, stop: int) -> FloatArray:
        """The vectors at the positions from `start` to before `stop`, as the index keeps them, [n, D].

        Raises:
            ValueError: They are not in the index.
            ConfigError: The index keeps no vectors that could be read back.
        """
        import faiss

        if not 0 <= start <= stop <= len(self):
            raise ValueError(f"positions {start} to {stop} of {len(self)}")
        if self._index is None or start == stop:
            return np.empty((0, 0 if self._index is None else self._index.d), np.float32)
        try:
            inverted = faiss.try_extract_index_ivf(self._index)
            if inverted is not None:
                inverted.make_direct_map()  # where each position lies in the lists; made once
            vectors: FloatArray = self._index.reconstruct_n(start, stop - start)
        except RuntimeError as error:
            expected = f"an index whose vectors can be read back ({_reason(error)})"
            raise ConfigError("index.factory", expected, self._factory) from error
        return vectors

    def save(self, path: Path) -> None:
        """Write the index with its settings; a reader sees the old file or the new one, never half of it.

        Raises:
            ValueError: There is nothing in the index.
        """
        import faiss

        if self._index is None:
            raise ValueError("index: there is nothing to save before the first vectors are added")
        with whole_file(path) as file:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]

    @classmethod
    def load(cls, path: Path, *, nprobe: int | None = None, ef_search: int | None = None) -> Self:
        """Read a saved index; None keeps a setting as it was saved.

        Raises:
            DataError: The file is missing, is not a FAISS index or ranks by a distance.
            ConfigError: The index takes no such setting.
        """
        import faiss

        if not path.is_file():
            raise DataError(path, None, "there is no such index")
        loaded = cls(nprobe=nprobe, ef_search=ef_search)
        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise DataError(path, None, f"not a FAISS index ({_reason(error)})") from error
        if index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise DataError(path, None, "this index ranks by a distance, not by the inner product")
        loaded._index = loaded._configured(index)
        return loaded

    def _built(self, dimension: int) -> Any:
        import faiss

        try:
            index = faiss.index_factory(dimension, self._factory, faiss.METRIC_INNER_PRODUCT)
        except RuntimeError as error:
            expected = f"a FAISS factory string for {dimension} dimensions ({_reason(error)})"
            raise ConfigError("index.factory", expected, self._factory) from error
        return self._configured(index)

    def _train(self, index: Any, vectors: FloatArray) -> None:
        try:
            index.train(vectors)
        except RuntimeError as error:
            count, dimension = vectors.shape
            expected = f"a factory that {count} vectors of {dimension} dimensions can train ({_reason(error)})"
            raise ConfigError("index.factory", expected, self._factory) from error

    def _configured(self, index: Any) -> Any:
        import faiss

        for name, value in self._settings.items():
            if value is None:
                continue
            setting = "index.ef_search" if name == "efSearch" else f"index.{name}"
            try:
                faiss.ParameterSpace().set_index_parameter(index, name, value)
            except RuntimeError as error:
                raise ConfigError(setting, f"null, for this index has no {name}", value) from error
        return index

    def _checked(self, name: str, vectors: FloatArray) -> FloatArray:
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or (self._index is not None and vectors.shape[1] != self._index.d):
            width = "D" if self._index is None else self._index.d
            raise ValueError(f"{name}: expected the shape [n, {width}], got {list(vectors.shape)}")
        if not np.isfinite(vectors).all():
            raise ValueError(f"{name}: {np.count_nonzero(~np.isfinite(vectors).all(axis=1))} rows hold NaN or infinity")
        return vectors


def training_size(index: Any) -> int:
    """Vectors that an untrained index of FAISS learns from: as many as its clustering uses, within 1 GB."""
    import faiss

    inverted = faiss.try_extract_index_ivf(index)
    lists = 256 if inverted is None else max(256, int(inverted.nlist))  # a product quantizer has 256 centroids
    return max(_FEWEST * lists, min(_MOST * lists, _TRAINING_BYTES // (4 * int(index.d))))


def _reason(error: RuntimeError) -> str:
    """What FAISS says, without the C++ function and source line before it."""
    return re.sub(r"^Error in .*\.\w+:\d+: (Error: .* failed: )?", "", str(error), flags=re.DOTALL).strip()
