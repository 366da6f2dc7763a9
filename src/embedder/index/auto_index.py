"""Choose an index by the number of vectors, the recall that is wanted and the memory that there is."""

import logging
import os
from dataclasses import dataclass

from embedder.bounds import PositiveFloat, ShareAboveZero
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.index.faiss_index import FaissIndex
from embedder.index.fill import spread
from embedder.index.measure import Truth
from embedder.types import FloatArray, IntArray, VectorIndex, Vectors

logger = logging.getLogger(__name__)

_FLAT_NUMBERS = 100_000_000  # compared for a query in 14 ms by one thread (benchmarks/index.py): exact search is fast
_QUERIES, _TOP_K = 100, 10  # on which the search is set
_COMPARED_AGAIN = 16  # times the wanted number, where there is refinement: FAISS's own 1 would only sort what was found


@dataclass(frozen=True)
class Choice:
    """A kind of index.

    Args:
        factory: Of FAISS.
        setting: What makes it search longer and find more; None for an exact one.
        bytes_per_vector: In memory.
    """

    factory: str
    setting: str | None
    bytes_per_vector: int


def kinds(dimension: int) -> list[Choice]:
    """From the exact one to the smallest one; bytes as measured of files with vectors of 384 dimensions, within 3 %."""
    parts = max(parts for parts in range(1, 65) if dimension % parts == 0)
    return [
        Choice("Flat", None, 4 * dimension),
        Choice("HNSW32", "ef_search", 4 * dimension + 272),  # 64 neighbours at the lowest level, and their offsets
        Choice("IVFn,SQ8", "nprobe", dimension + 8),  # and its position
        Choice(f"IVFn,PQ{parts}np,Refine(SQ4)", "nprobe", dimension // 2 + parts + 8),
        Choice(f"IVFn,PQ{parts}np", "nprobe", parts + 8),
    ]


def choose(count: int, dimension: int, recall: float, memory_bytes: float) -> tuple[Choice, str]:
    """The kind of index, and why.

    >>> choose(100_000, 384, 0.95, 4e9)[0].factory
    'Flat'
    >>> choose(1_000_000, 384, 0.95, 4e9)[0].factory, choose(1_000_000, 384, 0.95, 1e9)[0].factory
    ('HNSW32', 'IVFn,SQ8')

    Args:
        count: Vectors.
        dimension: D.
        recall: The share of the best vectors that has to be found; 1 for exact search.
        memory_bytes: What the index may take.

    Raises:
        ConfigError: No kind is small enough.
    """
    exact, *others = kinds(dimension)
    fits = count * exact.bytes_per_vector <= memory_bytes
    if fits and (count * dimension <= _FLAT_NUMBERS or recall == 1):
        why = "all was asked for" if recall == 1 else f"{count * dimension:,} numbers are compared in some milliseconds"
        return exact, why
    for kind in others if recall < 1 else []:
        if count * kind.bytes_per_vector <= memory_bytes:
            return kind, f"{count * kind.bytes_per_vector / 1e9:.2f} of {memory_bytes / 1e9:.2f} GB"
    smallest = exact if recall == 1 else others[-1]
    expected = f"{count * smallest.bytes_per_vector / 1e9:.2f} or more for {count} vectors (index=exact needs none)"
    raise ConfigError("index.memory_gb", expected, round(memory_bytes / 1e9, 3))


@checked("index")
class AutoIndex:
    """An index of FAISS that is chosen when its vectors are known, and set to the recall that is wanted.

    Keys of the corpus stand for queries, each without itself: a sample is searched with rising settings until enough is
    found. Real queries differ: `evaluate.py action=index` measures with those.

    Args:
        recall: The share of the 10 best vectors that has to be found; 1 for exact search.
        memory_gb: What the index may take; None for half of the machine's memory.
    """

    def __init__(
        self,
        recall: ShareAboveZero = 0.95,
        memory_gb: PositiveFloat | None = None,
    ) -> None:
        self._recall, self._memory_gb = recall, memory_gb
        self._index: VectorIndex = FaissIndex()
        self._vectors: Vectors | None = None
        self._setting: str | None = None

    def begin(self, vectors: Vectors, *, progress: bool = False) -> int:
        """Choose an index for these vectors, and train it.

        Raises:
            ConfigError: None fits into the memory, or the vectors are too few to train it.
        """
        half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
        memory = half if self._memory_gb is None else self._memory_gb * 1e9
        kind, why = choose(len(vectors), vectors.dimension, self._recall, memory)
        size = f"{len(vectors):,} vectors of {vectors.dimension} dimensions"
        logger.info("index=auto: %s for %s, recall %g: %s", kind.factory, size, self._recall, why)
        k_factor = _COMPARED_AGAIN if "Refine" in kind.factory else None
        self._index, self._setting, self._vectors = FaissIndex(kind.factory, k_factor=k_factor), kind.setting, vectors
        return self._index.begin(vectors, progress=progress)

    def add(self, vectors: FloatArray) -> None:
        """Append vectors, [n, D]."""
        self._index.add(vectors)

    def finish(self) -> None:
        """Search a sample with rising settings, until enough is found."""
        self._index.finish()
        vectors, index = self._vectors, self._index
        if self._setting is None or vectors is None or not isinstance(index, FaissIndex):
            return
        truth = Truth.of(vectors, vectors.at(spread(len(vectors), _QUERIES, seed=1)), _TOP_K + 1)
        value, found, most = 1, 0.0, len(vectors)
        while found < self._recall and value <= most:
            index.configure(**{self._setting: value})
            share = truth.recall(vectors, index.search(truth.queries, truth.top_k)[1])
            found = (share * truth.top_k - 1) / max(1, truth.top_k - 1)  # without the query itself
            most, value = min(most, index.most(self._setting)), 2 * value
        log = logger.info if found >= self._recall else logger.warning
        log("index=auto: %s=%d finds %.3f of the %d best keys of a key", self._setting, value // 2, found, _TOP_K)

    def search(self, queries: FloatArray, top_k: int) -> tuple[FloatArray, IntArray]:
        """Inner products and positions, best first, both [Q, K]; -inf and -1 where fewer than K were found."""
        return self._index.search(queries, top_k)

    def vectors(self, start: int, stop: int) -> FloatArray:
        """The vectors at the positions from `start` to before `stop`, as the index keeps them, [n, D]."""
        return self._index.vectors(start, stop)

    @property
    def was_found(self) -> bool:
        """Whether an earlier run had built it."""
        return self._index.was_found

    @property
    def nbytes(self) -> int | None:
        """Size of the file that the index would be."""
        size: int | None = getattr(self._index, "nbytes", None)
        return size
