"""Search an index for each query among the keys that it may be compared with, and nowhere else."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from embedder.types import Eligible, FloatArray, IntArray, VectorIndex

_BLOCK = 65_536  # vectors read back at a time
_QUERIES = 256  # compared with them together: 67 MB of scores


def search_eligible(
    index: VectorIndex, queries: FloatArray, eligible: Sequence[Eligible], top_k: int, size: int
) -> tuple[FloatArray, IntArray]:
    """Scores and positions of the best eligible keys, best first, both [Q, K]; -inf and -1 where there are fewer.

    Queries over the whole corpus go through the index. The others are compared with every vector of their run, which
    finds all there is even where an approximate index would have looked elsewhere; queries of one run together.

    Args:
        index: Over all keys.
        queries: Unit vectors, [Q, D].
        eligible: For each query.
        top_k: K.
        size: Number of keys in the index.
    """
    scores = np.full((len(queries), top_k), -np.inf, np.float32)
    positions = np.full((len(queries), top_k), -1, np.int64)
    rows_of_run: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, keys in enumerate(eligible):
        rows_of_run[keys.start, keys.stop].append(row)
    for (start, stop), rows in rows_of_run.items():
        spare = max(len(eligible[row].without) for row in rows)
        whole = (start, stop) == (0, size)
        search = index.search if whole else _Run(index, start, stop)
        for first in range(0, len(rows), _QUERIES):
            block = rows[first : first + _QUERIES]
            for row, hit_scores, hits in zip(block, *search(queries[block], top_k + spare), strict=True):
                kept = [rank for rank, position in enumerate(hits.tolist()) if position in eligible[row]][:top_k]
                scores[row, : len(kept)] = hit_scores[kept]
                positions[row, : len(kept)] = hits[kept]
    return scores, positions


class _Run:
    """Exact search over the vectors of some neighbours, block by block."""

    def __init__(self, index: VectorIndex, start: int, stop: int) -> None:
        self._index, self._start, self._stop = index, start, stop

    def __call__(self, queries: FloatArray, top_k: int) -> tuple[FloatArray, IntArray]:
        scores = np.empty((len(queries), 0), np.float32)
        positions = np.empty((len(queries), 0), np.int64)
        for start in range(self._start, self._stop, _BLOCK):
            stop = min(start + _BLOCK, self._stop)
            block_scores = queries @ self._index.vectors(start, stop).T  # [Q, n]
            scores = np.hstack([scores, block_scores])
            positions = np.hstack([positions, np.broadcast_to(np.arange(start, stop), block_scores.shape)])
            best = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
            scores = np.take_along_axis(scores, best, axis=1)
            positions = np.take_along_axis(positions, best, axis=1)
        return scores, positions
