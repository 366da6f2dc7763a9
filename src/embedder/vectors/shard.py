"""A shard: the vectors of some keys that follow each other, in one file that appears completely or not at all."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from embedder.errors import reading
from embedder.sealed import sealed_file
from embedder.types import FloatArray


def digest_of_texts(texts: Iterable[str]) -> str:
    """What a shard is called: its texts in their order, whatever corpus they are of.

    >>> digest_of_texts(["ab", "c"]) == digest_of_texts(["a", "bc"])
    False
    """
    digest = hashlib.blake2b(digest_size=16, person=b"vectors 3")
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def write_shard(path: Path, vectors: FloatArray) -> None:
    """Write vectors as `.npy`, [n, D], with their SHA-256 behind them."""
    with sealed_file(path) as file:
        np.save(file, vectors, allow_pickle=False)


def open_shard(path: Path) -> FloatArray:
    """The vectors of a shard, mapped: what is looked at is read, [n, D].

    Raises:
        DataError: There are none.
    """
    with reading(path, "vectors that cannot be read: encode the corpus again", OSError, ValueError, EOFError):
        vectors: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
    return vectors
