"""The largest inner products of all, exactly, over vectors that are read block by block."""

from collections.abc import Callable, Iterable

import numpy as np

from embedder.types import FloatArray, IntArray

_QUERIES = 256  # compared with a block together


def best_of_blocks(
    queries: FloatArray, read: Callable[[int, int], FloatArray], ranges: Iterable[tuple[int, int]], top_k: int
) -> tuple[FloatArray, IntArray]:
    """Scores and positions of the best vectors, best first, both [Q, K]; -inf and -1 where there are fewer.

    Of equal scores the first position wins, whatever the blocks.

    Args:
        queries: [Q, D].
        read: The vectors at the positions from one to before another, [n, D].
        ranges: Which positions are compared, in rising order; the vectors of a range are in memory together.
        top_k: K.
    """
    scores = np.full((len(queries), top_k), -np.inf, np.float32)
    positions = np.full((len(queries), top_k), -1, np.int64)
    for start, stop in ranges:
        vectors = read(start, stop)
        for first in range(0, len(queries), _QUERIES):
            some = slice(first, first + _QUERIES)
            found = queries[some] @ vectors.T  # [q, n]
            _take(scores[some], positions[some], found, start)
    return scores, positions


def _take(scores: FloatArray, positions: IntArray, found: FloatArray, start: int) -> None:
    """Put what a block has of better scores into the best ones so far.

    Args:
        scores: The best so far, best first, [q, K]; they are changed.
        positions: Theirs, [q, K]; they are changed.
        found: Of the block, [q, n].
        start: Position of its first vector.
    """
    top_k = scores.shape[1]
    least = scores[:, -1]  # what is equal comes later, and loses
    if found.shape[1] > top_k:
        of_block = np.partition(found, -top_k, axis=1)[:, -top_k] if np.isneginf(least).any() else least
        better = (found > least[:, None]) & (found >= of_block[:, None])
    else:
        better = found > least[:, None]
    for row in np.flatnonzero(better.any(axis=1)):
        hits = np.flatnonzero(better[row])
        all_scores = np.concatenate([scores[row], found[row, hits]])
        all_positions = np.concatenate([positions[row], hits + start])
        best = np.argsort(-all_scores, kind="stable")[:top_k]
        scores[row], positions[row] = all_scores[best], all_positions[best]
