"""Where training leaves the keys as they are: their vectors lie on disk, and no callback encodes a corpus twice."""

from pathlib import Path

import lightning as L

from embedder.identity import identity
from embedder.index.cached_encoder import CachedEncoder
from embedder.types import Encoder


class KeptKeys(L.Callback):
    """Says where vectors of keys lie that no step changes.

    The files are those of an evaluation in the same precision: it finds what training has encoded, and the other way
    round.

    Args:
        fingerprint: Of the contents that the vectors of keys depend on.
        directory: Of the files.
    """

    def __init__(self, fingerprint: str, directory: Path) -> None:
        self._fingerprint, self._directory = fingerprint, directory

    def around(self, encoder: Encoder, precision: str) -> CachedEncoder:
        """An encoder that reads the vectors that there are."""
        fingerprint = identity(encoder={"keys": self._fingerprint}, precision=precision)
        return CachedEncoder(encoder, fingerprint, self._directory)
