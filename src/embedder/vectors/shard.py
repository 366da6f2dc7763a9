"""A shard: the vectors of some keys that follow each other, in one file that appears completely or not at all."""

import hashlib
import io
import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from embedder.digests import once
from embedder.errors import DataError
from embedder.files import whole_file
from embedder.types import FloatArray

logger = logging.getLogger(__name__)

_DIGEST = 32  # bytes of SHA-256, behind the vectors
_PIECE = 1 << 24  # bytes that are read together


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
    content = io.BytesIO()
    np.save(content, vectors, allow_pickle=False)
    with whole_file(path) as file:
        file.write(content.getbuffer())
        file.write(hashlib.sha256(content.getbuffer()).digest())


def is_whole(path: Path, *, tells: bool = False) -> bool:
    """Whether there is a shard that is as it was written. All of it is read, once in a process.

    Args:
        path: Of the shard.
        tells: Whether the log tells of a damaged one.
    """
    if not path.is_file():
        return False
    if not (whole := once("shard", path, _has_its_digest)) and tells:
        logger.warning("damaged vectors %s are made again: they are not as they were written", path)
    return whole


def open_shard(path: Path) -> FloatArray:
    """The vectors of a shard, mapped: what is looked at is read, [n, D].

    Raises:
        DataError: There are none.
    """
    try:
        vectors: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(path, None, f"vectors that cannot be read ({error}): encode the corpus again") from error
    return vectors


def _has_its_digest(path: Path) -> bool:
    left, digest = path.stat().st_size - _DIGEST, hashlib.sha256()
    with path.open("rb") as file:
        while left > 0:
            piece = file.read(min(_PIECE, left))
            digest.update(piece)
            left -= len(piece)
        return file.read() == digest.digest()
