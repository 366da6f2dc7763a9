"""Find the vectors with the largest inner product, exactly or approximately, with FAISS."""

import errno
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.index.array_vectors import check_vectors
from embedder.index.faiss_factory import configure, new_index, training_size, with_lists
from embedder.index.faiss_files import can_merge, parts_of, read_index, side_by_side, size_of, write_index
from embedder.index.faiss_gpu import check_gpus, on_all_gpus
from embedder.index.faiss_package import faiss_module, reason
from embedder.index.fill import spread
from embedder.index.kept_index import KeptIndex, is_worth_a_file
from embedder.types import FloatArray, IntArray, Vectors

logger = logging.getLogger(__name__)


@checked("index")
class FaissIndex:
    """Any index that FAISS can build from a factory string: `Flat` is exact, `IVFn,SQ8` small, `HNSW32` fast.

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
        factory: See https://github.com/facebookresearch/faiss/wiki/The-index-factory; `IVFn` stands for as many lists
            as suit the number of vectors.
        parts: Files that it is kept in, where vectors lie on disk; each is built by whichever process is free, and all
            are searched side by side.
        merge: Put them together to one file, which a run without `parts` finds too. That takes memory for all of it.
        nprobe: Lists visited by a query of an IVF index; None keeps FAISS's 1.
        ef_search: Nodes kept by a query of an HNSW index; None keeps FAISS's 16.
        k_factor: Of an index with refinement, how many times K vectors are compared again; None keeps FAISS's 1.
        gpu: Search on all GPUs of the machine, with vectors in half precision.
    """

    def __init__(
        self,
        factory: str = "Flat",
        *,
        parts: PositiveInt = 1,
        merge: bool = False,
        nprobe: PositiveInt | None = None,
        ef_search: PositiveInt | None = None,
        k_factor: PositiveInt | None = None,
        gpu: bool = False,
    ) -> None:
        self._factory, self._parts, self._merge = factory, parts, merge
        self._settings = {"nprobe": nprobe, "ef_search": ef_search, "k_factor": k_factor}
        self._gpu = gpu
        self._index: Any = None
        self._on_gpus: Any = None
        self._mapped: Path | None = None
        self.was_found = False
        """Whether an earlier run had built it."""
        if gpu and parts > 1 and not merge:
            expected = "1, or index.merge=true, where index.gpu=true shares one index out over the GPUs"
            raise ConfigError("index.parts", expected, parts)
        if gpu:
            check_gpus()

    def __len__(self) -> int:
        return 0 if self._index is None else int(self._index.ntotal)

    @property
    def nbytes(self) -> int:
        """Bytes of the index as FAISS writes it."""
        return 0 if self._index is None else sum(map(size_of, parts_of(self._index)))

    def begin(self, vectors: Vectors, *, progress: bool = False) -> int:
        """Train for vectors that will be added, on a sample from all of them.

        An index of vectors that lie on disk is built here and kept beside them, unless it would be a copy of them or
        nothing can be written there; one that is there is mapped.

        Returns:
            The position after those that are in the index.

        Raises:
            ConfigError: See `add`.
            ValueError: Vectors of the sample are not finite.
        """
        if self._index is None and len(vectors):
            index = self._new(vectors.dimension, len(vectors))
            beside = vectors.beside if is_worth_a_file(index) else None
            if beside is None or not self._is_kept(index, vectors, beside, progress=progress):
                self._index = self._trained(vectors)
                configure(self._index, self._settings)
        return len(self)

    def _is_kept(self, empty: Any, vectors: Vectors, beside: Path, *, progress: bool) -> bool:
        """Build it in files, or find it there, and map them; False where no file can be written."""
        factory = with_lists(self._factory, len(vectors))
        if self._merge and not can_merge(empty):
            raise ConfigError("index.merge", f"false for {factory}: this kind cannot be merged", True)
        kept = KeptIndex(beside, factory, vectors, min(self._parts, len(vectors)), self._merge)
        try:
            self.was_found = not kept.build(lambda: self._trained(vectors), progress=progress)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES):
                raise
            told = "the index is built in memory, as in every later run: nothing can be written into %s (%s)"
            logger.warning(told, beside.parent, error.strerror)
            return False
        self._open(kept.files, mapped=True)
        return True

    def add(self, vectors: FloatArray) -> None:
        """Append vectors, [n, D]; their positions count on from those already there.

        Raises:
            ConfigError: The factory is unknown, does not fit the dimension, takes no such setting, or needs more
                vectors than these to train on; or the index is mapped from a file.
            ValueError: The vectors are not finite, or not of the dimension of those already there.
        """
        if self._mapped is not None:
            expected = "one in memory where vectors are added, as one that is mapped or kept beside its vectors is not"
            raise ConfigError("index", expected, str(self._mapped))
        vectors = self._checked("vectors", vectors)
        if self._index is None:
            index = self._new(vectors.shape[1], len(vectors))
            if not index.is_trained:
                self._train(index, vectors)
            self._index = index
        self._index.add(vectors)
        self._on_gpus = None

    def finish(self) -> None:
        """Copy the index to the GPUs, if that is where it is searched."""
        if self._gpu and self._index is not None and self._on_gpus is None:
            self._on_gpus = on_all_gpus(self._index)

    def configure(self, **settings: int) -> None:
        """Change how it searches: `nprobe`, `ef_search`, `k_factor`.

        Raises:
            ConfigError: The index has no such setting.
        """
        self._settings |= settings
        if self._index is not None:
            for part in parts_of(self._index):
                configure(part, settings)
            self._on_gpus = None

    def most(self, setting: str) -> int:
        """The largest value of a setting that makes sense: all lists, or all vectors."""
        inverted = faiss_module().try_extract_index_ivf(parts_of(self._index)[0])
        return int(inverted.nlist) if setting == "nprobe" and inverted is not None else len(self)

    def search(self, queries: FloatArray, top_k: int) -> tuple[FloatArray, IntArray]:
        """Inner products and positions, best first, both [Q, K]; -inf and -1 where fewer than K were found.

        Raises:
            ValueError: The queries are not finite or not of the dimension of the vectors.
        """
        queries = self._checked("queries", queries)
        if self._index is None:
            shape = (len(queries), top_k)
            return np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64)
        if self._gpu:
            self.finish()
        scores, positions = (self._index if self._on_gpus is None else self._on_gpus).search(queries, top_k)
        # Fewer than K were found; one query is looked at without a call of numpy, which would take as long as the rest.
        if (positions.item(-1) < 0) if len(positions) == 1 else (positions[:, -1] < 0).any():
            scores[positions < 0] = -np.inf
        return scores, positions

    def vectors(self, start: int, stop: int) -> FloatArray:
        """The vectors at the positions from `start` to before `stop`, as the index keeps them, [n, D].

        Raises:
            ValueError: They are not in the index.
            ConfigError: The index keeps no vectors that could be read back.
        """
        if not 0 <= start <= stop <= len(self):
            raise ValueError(f"positions {start} to {stop} of {len(self)}")
        if self._index is None or start == stop:
            return np.empty((0, 0 if self._index is None else self._index.d), np.float32)
        found, first = [], 0
        for shard in parts_of(self._index):
            lower, upper = max(start - first, 0), min(stop - first, shard.ntotal)
            if lower < upper:
                found.append(self._read_back(shard, lower, upper))
            first += shard.ntotal
        return np.concatenate(found) if len(found) > 1 else found[0]

    def save(self, path: Path) -> None:
        """Write an index that is not empty, with its settings; a reader sees the old file or the new one, all of it."""
        write_index(self._index, path)

    @classmethod
    def load(cls, path: Path, *, mapped: bool = False, **settings: Any) -> Self:
        """Read a saved index.

        Args:
            path: Of the file.
            mapped: Leave vectors and lists on the disk, to be read as they are searched; nothing can be added.
            **settings: `nprobe`, `ef_search`, `k_factor`, `gpu`; one that is not named stays as it was saved.

        Raises:
            DataError: The file is missing, is not a FAISS index or ranks by a distance.
            ConfigError: The index takes no such setting.
        """
        loaded = cls(**settings)
        loaded._open([path], mapped=mapped)
        return loaded

    def _open(self, files: Sequence[Path], *, mapped: bool) -> None:
        """Read files, which are searched as one; positions count on from one to the next."""
        indexes = [read_index(path, mapped=mapped) for path in files]
        for index in indexes:
            configure(index, self._settings)
        self._index = indexes[0] if len(indexes) == 1 else side_by_side(indexes)
        self._mapped = files[0] if mapped else None

    def _new(self, dimension: int, count: int) -> Any:
        index = new_index(self._factory, dimension, count)
        configure(index, self._settings)
        return index

    def _trained(self, vectors: Vectors) -> Any:
        """An empty index for these vectors, which searches as FAISS does by itself."""
        index = new_index(self._factory, vectors.dimension, len(vectors))
        if not index.is_trained:
            positions = spread(len(vectors), training_size(index, len(vectors)))
            logger.info("training %s on %d of %d vectors", self._factory, len(positions), len(vectors))
            self._train(index, self._checked("vectors", vectors.at(positions)))
        return index

    def _train(self, index: Any, vectors: FloatArray) -> None:
        try:
            index.train(vectors)
        except RuntimeError as error:
            count, dimension = vectors.shape
            expected = f"a factory that {count} vectors of {dimension} dimensions can train ({reason(error)})"
            raise ConfigError("index.factory", expected, self._factory) from error

    def _read_back(self, index: Any, start: int, stop: int) -> FloatArray:
        try:
            inverted = faiss_module().try_extract_index_ivf(index)
            if inverted is not None:
                inverted.make_direct_map()  # where each position lies in the lists; made once
            vectors: FloatArray = index.reconstruct_n(start, stop - start)
        except RuntimeError as error:
            expected = f"an index whose vectors can be read back ({reason(error)})"
            raise ConfigError("index.factory", expected, self._factory) from error
        return vectors

    def _checked(self, name: str, vectors: FloatArray) -> FloatArray:
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        check_vectors(name, vectors, None if self._index is None else int(self._index.d))
        return vectors
