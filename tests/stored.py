"""An encoder that keeps the vectors of corpora in a folder of a test."""

from pathlib import Path

from embedder.types import Encoder
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored_encoder import StoredEncoder


def stored(encoder: Encoder, folder: Path) -> StoredEncoder:
    return StoredEncoder(encoder, {}, VectorSettings(str(folder)))
