"""What an index is worth: how much of the exact answer it finds, how fast, and what it costs to build and to keep."""

import time
from dataclasses import dataclass

import numpy as np

from embedder.index.exact_search import best_of_blocks
from embedder.index.fill import BLOCK_BYTES, blocks, fill_index
from embedder.types import FloatArray, IntArray, VectorIndex, Vectors

_ROUNDING = 1e-5  # of inner products of unit vectors that were summed in another order


@dataclass(frozen=True)
class Truth:
    """What exact search finds.

    Args:
        queries: [Q, D].
        least: The score of the K-th best vector of each query, [Q].
        top_k: K; the number of vectors, if there are fewer.
    """

    queries: FloatArray
    least: FloatArray
    top_k: int

    @classmethod
    def of(cls, vectors: Vectors, queries: FloatArray, top_k: int) -> "Truth":
        """Compare every query with every vector, block by block."""
        top_k = min(top_k, len(vectors))
        ranges = blocks(0, len(vectors), vectors.dimension, BLOCK_BYTES)
        return cls(queries, best_of_blocks(queries, vectors.rows, ranges, top_k)[0][:, -1], top_k)

    def recall(self, vectors: Vectors, found: IntArray) -> float:
        """The share of the K best that was found, averaged over queries.

        A vector counts if its score is no less than that of the K-th best, so that which of several equal texts was
        found makes no difference.

        Args:
            vectors: Of the corpus.
            found: Positions, [Q, K]; -1 for none.
        """
        hits = found >= 0
        scores = np.full(found.shape, -np.inf, np.float32)
        places, where = np.unique(found[hits], return_inverse=True)
        rows = np.broadcast_to(np.arange(len(found))[:, None], found.shape)[hits]
        scores[hits] = np.einsum("nd,nd->n", self.queries[rows], vectors.at(places)[where])
        return float((scores >= self.least[:, None] - _ROUNDING).mean())


@dataclass(frozen=True)
class IndexMeasure:
    """What was measured of an index.

    Args:
        recall: Share of the K best vectors that it finds.
        p50_ms: Median of milliseconds of a query that is searched alone.
        p95_ms: The time within which 95 % of these queries are answered.
        queries_per_second: Of queries that are searched together.
        build_seconds: For training and filling; None if an earlier run had built it.
        bytes_per_vector: Of the index when it is saved; None if it has no file.
    """

    recall: float
    p50_ms: float
    p95_ms: float
    queries_per_second: float
    build_seconds: float | None
    bytes_per_vector: float | None


def measure_index(
    index: VectorIndex, vectors: Vectors, truth: Truth, *, alone: int = 200, progress: bool = False
) -> IndexMeasure:
    """Fill an index and search it.

    Args:
        index: An empty one.
        vectors: Of the corpus.
        truth: What is to be found.
        alone: Queries that are searched one at a time, at most.
        progress: Show a bar while it is filled.
    """
    begin = time.perf_counter()
    fill_index(index, vectors, progress=progress)
    build_seconds = None if index.was_found else time.perf_counter() - begin
    return measure_search(index, vectors, truth, build_seconds, alone=alone)


def measure_search(
    index: VectorIndex, vectors: Vectors, truth: Truth, build_seconds: float | None, *, alone: int = 200
) -> IndexMeasure:
    """Search an index that is filled; see `measure_index`."""
    queries = truth.queries
    index.search(queries[:1], truth.top_k)  # what is made or read at the first search
    begin = time.perf_counter()
    found = index.search(queries, truth.top_k)[1]
    together = time.perf_counter() - begin
    times = []
    for number in range(min(alone, len(queries))):
        begin = time.perf_counter()
        index.search(queries[number : number + 1], truth.top_k)
        times.append(1000 * (time.perf_counter() - begin))
    size = getattr(index, "nbytes", None)
    return IndexMeasure(
        truth.recall(vectors, found),
        float(np.percentile(times, 50)),
        float(np.percentile(times, 95)),
        len(queries) / together,
        build_seconds,
        None if size is None else size / len(vectors),
    )
