"""Encode a corpus shard by shard: what is missing, how a shard is made, and the manifest in the end."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from embedder.errors import EmbedderError
from embedder.shown import shown
from embedder.types import Encoder, FloatArray, Keys, Reading
from embedder.vectors.manifest import Manifest, Space
from embedder.vectors.processes import ALONE, Processes
from embedder.vectors.settings import VectorSettings
from embedder.vectors.shard import digest_of_texts, is_whole, write_shard
from embedder.vectors.stored import StoredVectors

logger = logging.getLogger(__name__)


class Encoding:
    """The vectors of a corpus on their way to disk.

    A shard is found by the digest of its texts, so that what an earlier run has encoded is read, and a corpus that grew
    at its end keeps its whole shards. Every process reads, encodes and writes its own shards; vectors are not sent.

    Args:
        encoder: Maps texts to unit vectors.
        made_by: What its vectors depend on beside texts and reading; see `Space`.
        keys: The corpus.
        reading: How the encoder reads it.
        settings: Where the vectors go, and in which form.
    """

    def __init__(
        self, encoder: Encoder, made_by: Mapping[str, Any], keys: Keys, reading: Reading, settings: VectorSettings
    ) -> None:
        self._encoder, self._keys, self._reading, self._settings = encoder, keys, reading, settings
        self._space = Space(made_by, reading, encoder.dimension, settings.dtype)
        self.folder = Path(settings.directory) / self._space.address
        self._shards: tuple[str, ...] = ()
        self.missing: list[int] = []
        """Shards that were not there when it was planned."""

    def plan(self, processes: Processes = ALONE) -> list[int]:
        """Find out which shards are missing or damaged: each process reads its part of the texts and of the files.

        Returns:
            Those that this process is to make.
        """
        numbers = range(-(-len(self._keys) // self._settings.shard_size))
        parts = processes.together(lambda: {number: self._examined(number) for number in processes.share(numbers)})
        found = {number: one for part in reversed(parts) for number, one in part.items()}  # in step, the first decides
        self._shards = tuple(found[number][0] for number in numbers)
        missing = {digest: number for number, (digest, whole) in reversed(found.items()) if not whole}
        self.missing = sorted(missing.values())
        return list(processes.share(self.missing))

    def make(self, number: int, processes: Processes = ALONE, *, progress: bool = False) -> None:
        """Encode one shard and write it.

        Raises:
            EmbedderError: A vector is not finite, or not of the encoder's dimension.
        """
        vectors = self._encoder.encode(self._texts(number), self._reading, progress=progress and processes.is_first)
        self._check(vectors, number)
        if processes.is_first or not processes.in_step:
            write_shard(self.folder / f"{self._shards[number]}.npy", vectors.astype(self._settings.dtype, copy=False))

    def finish(self, processes: Processes = ALONE) -> StoredVectors:
        """Write the manifest once all shards are there; one process calls this, or all do."""
        manifest = Manifest.of(self._space, self._settings.shard_size, len(self._keys), self._shards)
        processes.together(lambda: manifest.write(self.folder) if processes.is_first else None)
        n = len(self._keys)
        n_cached = n - sum(len(self._positions(number)) for number in self.missing)
        if processes.is_first and n_cached:
            logger.info("%d of %d vectors of keys were cached in %s", n_cached, n, self.folder)
        return StoredVectors(self.folder, manifest)

    def run(self, processes: Processes = ALONE, *, progress: bool = False) -> StoredVectors:
        """All of it, by one process or by all that are there."""

        def make(numbers: list[int]) -> None:
            for number in numbers:
                self.make(number, processes, progress=progress)

        own = self.plan(processes)
        processes.together(lambda: make(own))
        return self.finish(processes)

    def _texts(self, number: int) -> list[str]:
        return [self._keys[position].text for position in self._positions(number)]

    def _positions(self, number: int) -> range:
        size = self._settings.shard_size
        return range(number * size, min((number + 1) * size, len(self._keys)))

    def _examined(self, number: int) -> tuple[str, bool]:
        """Digest of the texts of a shard, and whether it is there."""
        digest = digest_of_texts(self._texts(number))
        return digest, is_whole(self.folder / f"{digest}.npy")

    def _check(self, vectors: FloatArray, number: int) -> None:
        positions = self._positions(number)
        expected = [len(positions), self._space.dimension]
        if list(vectors.shape) != expected:
            raise EmbedderError(f"encoder: expected vectors of the form {expected}, got {list(vectors.shape)}")
        wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(wrong):
            position = positions[int(wrong[0])]
            key, n_others = self._keys[position], len(positions) - 1
            raise EmbedderError(
                f"encoder: the vector of key {key.id!r} (number {position + 1} of the corpus) holds NaN or infinity, "
                f"as do {len(wrong) - 1} of the {n_others} others of its shard; its text: {shown(key.text, 80)!r}"
            )
