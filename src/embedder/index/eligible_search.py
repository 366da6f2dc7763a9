"""Search an index for each query among the keys that it may be compared with, and nowhere else."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from embedder.index.exact_search import best_of_blocks
from embedder.index.fill import BLOCK_BYTES, blocks
from embedder.types import Eligible, FloatArray, IntArray, SearchesRuns, VectorIndex


def search_eligible(
    index: VectorIndex, queries: FloatArray, eligible: Sequence[Eligible], top_k: int, size: int
) -> tuple[FloatArray, IntArray]:
    """Scores and positions of the best eligible keys, best first, both [Q, K]; -inf and -1 where there are fewer.

    Queries over the whole corpus go through the index, and so do the others if it searches a run by itself. Else they
    are compared with every vector of their run, which finds all there is even where an approximate index would have
    looked elsewhere; queries of one run together.

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
        if whole:
            found = index.search(queries[rows], top_k + spare)
        elif isinstance(index, SearchesRuns):
            found = index.search_run(queries[rows], top_k + spare, start, stop)
        else:
            ranges = blocks(start, stop, queries.shape[1], BLOCK_BYTES)
            found = best_of_blocks(queries[rows], index.vectors, ranges, top_k + spare)
        for row, hit_scores, hits in zip(rows, *found, strict=True):
            kept = [rank for rank, position in enumerate(hits.tolist()) if position in eligible[row]][:top_k]
            scores[row, : len(kept)] = hit_scores[kept]
            positions[row, : len(kept)] = hits[kept]
    return scores, positions
