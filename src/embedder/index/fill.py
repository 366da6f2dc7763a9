"""Fill an index with the vectors of a corpus, block by block, after training it on a sample from all of the corpus."""

import logging
import time

import numpy as np
from rich.progress import track

from embedder.types import IntArray, VectorIndex, Vectors

logger = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 26  # of vectors that are read and added together


def fill_index(index: VectorIndex, vectors: Vectors, *, progress: bool = False) -> None:
    """Add the vectors in order, so that the position in an empty index is that in the corpus.

    An index that was filled in part before a run was stopped is filled from there, where it can tell.

    Args:
        index: It is trained first, if it has to be.
        vectors: Of the corpus; one block of them is in memory at a time.
        progress: Show a bar.
    """
    begin, first = time.monotonic(), index.begin(vectors, progress=progress)
    for start, stop in track(
        blocks(first, len(vectors), vectors.dimension, BLOCK_BYTES), "Indexing", disable=not progress, transient=True
    ):
        index.add(vectors.rows(start, stop))
    index.finish()
    logger.info("%d vectors can be searched after %.1f s", len(vectors), time.monotonic() - begin)


def blocks(start: int, stop: int, dimension: int, block_bytes: int) -> list[tuple[int, int]]:
    """Ranges of positions whose vectors, as float32, take up to so many bytes together.

    >>> blocks(0, 5, dimension=1, block_bytes=8)
    [(0, 2), (2, 4), (4, 5)]
    """
    size = max(1, block_bytes // (4 * dimension))
    return [(first, min(first + size, stop)) for first in range(start, stop, size)]


def spread(count: int, n: int, seed: int = 0) -> IntArray:
    """Positions of a sample from all of a corpus, sorted: one drawn from each of `n` stretches of equal length.

    Training an index on the first vectors instead would make its lists those of the first documents.

    >>> spread(1000, 4).tolist()
    [212, 409, 627, 817]

    Args:
        count: Size of the corpus.
        n: Size of the sample; all of the corpus is taken where it is no larger.
        seed: Of the draws.
    """
    if n >= count:
        return np.arange(count)
    edges = np.arange(n + 1) * count // n
    return edges[:-1] + np.random.default_rng(seed).integers(np.diff(edges))
