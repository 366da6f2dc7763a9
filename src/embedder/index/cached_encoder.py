"""An encoder that keeps the vectors of keys on disk, so that no text is encoded twice, in whichever run."""

import hashlib
import io
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embedder.files import whole_file
from embedder.types import Encoder, FloatArray, Reading

logger = logging.getLogger(__name__)

_BLOCK = 4_096  # texts in a file; what a kill loses
_DIGEST = 32  # bytes of SHA-256


class CachedEncoder:
    """Implements `embedder.types.Encoder` over another one; files are found by what they were made of.

    A file holds the vectors of 4,096 texts that followed each other, [n, D] as `.npy`, under the digest of the encoder,
    the instruction, the length and the texts; a corpus that grows at its end keeps what there is. Their own digest
    stands behind the vectors: damaged ones are noticed, and made again. Queries are few and are encoded each time.

    Args:
        encoder: What makes the vectors.
        fingerprint: Identifies its weights and settings.
        directory: Where the files lie.
    """

    def __init__(self, encoder: Encoder, fingerprint: str, directory: Path) -> None:
        self._encoder, self._fingerprint, self._directory = encoder, fingerprint, directory

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._encoder.dimension

    def encode(self, texts: Sequence[str], reading: Reading, *, progress: bool = False) -> FloatArray:
        """Unit vectors, [n, D]; those of keys are read where they were made before."""

        def make(new_texts: Sequence[str]) -> FloatArray:
            return self._encoder.encode(new_texts, reading, progress=progress)

        if reading.side == "query" or not texts:
            return make(texts)
        vectors = np.empty((len(texts), self.dimension), np.float32)
        n_made = 0
        for start in range(0, len(texts), _BLOCK):
            block = texts[start : start + _BLOCK]
            path = self._directory / f"{self._address(block, reading)}.npy"
            stored = self._read(path)
            if stored is None:
                stored = make(block)
                _write(path, stored.astype(np.float32, copy=False))
                n_made += len(block)
            vectors[start : start + len(block)] = stored
        logger.info("%d of %d vectors of keys were cached in %s", len(texts) - n_made, len(texts), self._directory)
        return vectors

    def _read(self, path: Path) -> FloatArray | None:
        """The vectors of a file; None where there is none, or a damaged one."""
        if not path.is_file():
            return None
        content = path.read_bytes()
        if hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
            logger.warning("damaged vectors %s are made again: they are not as they were written", path)
            return None
        stored: FloatArray = np.load(io.BytesIO(content), allow_pickle=False)
        return stored

    def _address(self, texts: Sequence[str], reading: Reading) -> str:
        digest = hashlib.blake2b(digest_size=16, person=b"vectors 2")  # 1 had no digest behind the vectors
        reads = (reading.instruction, str(reading.max_length), reading.keep)
        for part in (self._fingerprint, *reads, *texts):
            encoded = part.encode("utf-8", "surrogatepass")
            # The length in front: otherwise ("ab", "c") and ("a", "bc") would share an address.
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        return digest.hexdigest()


def _write(path: Path, vectors: FloatArray) -> None:
    content = io.BytesIO()
    np.save(content, vectors, allow_pickle=False)
    with whole_file(path) as file:
        file.write(content.getvalue() + hashlib.sha256(content.getvalue()).digest())
