"""Encode a corpus shard by shard: what is missing, how a shard is made, and the manifest in the end."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from embedder.errors import EmbedderError, NoTokensError
from embedder.processes import ALONE, Processes
from embedder.sealed import is_whole, make_all, make_if_free
from embedder.shown import shown
from embedder.types import Encoder, FloatArray, Keys, Reading
from embedder.vectors.manifest import Manifest, Space, not_encoded
from embedder.vectors.settings import VectorSettings
from embedder.vectors.shard import digest_of_texts, write_shard
from embedder.vectors.stored import StoredVectors

logger = logging.getLogger(__name__)


class Encoding:
    """The vectors of a corpus on their way to disk.

    A shard is found by the digest of its texts, so that what an earlier run has encoded is read, and a corpus that grew
    at its end keeps its whole shards. Every process reads, encodes and writes its own shards; vectors are not sent. Of
    processes that do not know each other, such as jobs that started together, each takes shards that no other has.

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
        self._shards: tuple[str, ...] | None = None
        self.missing: list[int] = []
        """Shards that were not there when it was planned."""

    def __str__(self) -> str:
        return f"the encoding of {len(self._keys)} keys"

    @property
    def modules(self) -> list[nn.Module]:
        """What of the encoder is moved to a device."""
        return [self._encoder] if isinstance(self._encoder, nn.Module) else []

    @property
    def on_gpu(self) -> bool:
        """Whether the encoder is to run on a GPU where there is one."""
        configs = (getattr(part, "config", None) for module in self.modules for part in module.modules())
        devices = (getattr(config, "device", "auto") for config in configs)
        return all(str(device).partition(":")[0] in ("auto", "cuda") for device in devices)

    @property
    def is_planned(self) -> bool:
        """Whether `plan` was called, here or in the process that started this one."""
        return self._shards is not None

    def plan(self, processes: Processes = ALONE) -> list[int]:
        """Find out which shards are missing or damaged: each process reads its part of the texts and of the files.

        Returns:
            The missing ones.

        Raises:
            DataError: Some are missing, and are not to be encoded.
        """
        numbers = range(-(-len(self._keys) // self._settings.shard_size))
        parts = processes.all_do(lambda: {n: self._examined(n) for n in processes.share(len(numbers))})
        found = {number: one for part in reversed(parts) for number, one in part.items()}  # in step, the first decides
        self._shards = tuple(found[number][0] for number in numbers)
        self.missing = sorted({digest: n for n, (digest, whole) in reversed(found.items()) if not whole}.values())
        if self.missing and not self._settings.encode:
            raise not_encoded(self.folder.parent, self._manifest)
        return self.missing

    def order(self, processes: Processes = ALONE) -> list[int]:
        """The missing shards, those of this process first: it helps the others when it is done with its own."""
        own = [self.missing[n] for n in processes.share(len(self.missing))]
        return own + [number for number in self.missing if number not in set(own)]

    def path(self, number: int) -> Path:
        """The file of a shard, once it is planned."""
        return self.folder / f"{(self._shards or ())[number]}.npy"

    def in_memory(self, *, progress: bool = False) -> FloatArray:
        """The vectors of all keys, float32 [n, D], without any file.

        Raises:
            EmbedderError: See `make`.
        """
        vectors = np.empty((len(self._keys), self._space.dimension), np.float32)
        for start in range(0, len(vectors), self._settings.shard_size):
            number = start // self._settings.shard_size
            vectors[start : start + self._settings.shard_size] = self._encoded(number, progress=progress)
        return vectors

    def make(self, number: int, *, writes: bool = True, progress: bool = False) -> None:
        """Encode one shard and write it.

        Raises:
            EmbedderError: A vector is not finite, or not of the encoder's dimension, or a text has no tokens.
        """
        vectors = self._encoded(number, progress=progress)
        if writes:
            write_shard(self.path(number), vectors.astype(self._settings.dtype, copy=False))

    def _encoded(self, number: int, *, progress: bool) -> FloatArray:
        try:
            vectors = self._encoder.encode(self._texts(number), self._reading, progress=progress)
        except NoTokensError as error:
            told = self._named(self._positions(number)[error.position])
            raise EmbedderError(f"encoder: {told} has no tokens, so that it has no vector") from error
        self._check(vectors, number)
        return vectors

    def make_if_free(self, number: int) -> bool:
        """Make one shard, unless it is there or another process, of this run or of any, is making it.

        Returns:
            Whether it is there.
        """
        return make_if_free(self.path(number), lambda: self.make(number))

    def finish(self, processes: Processes = ALONE, *, progress: bool = False) -> StoredVectors:
        """Make what is still missing, wait for what other processes are making, and write the manifest."""
        manifest = self._manifest

        def make() -> None:
            make_all(self.order(processes), self.path, partial(self.make, progress=progress))

        def make_in_step() -> None:
            for number in self.missing:
                self.make(number, writes=processes.is_first, progress=progress)

        processes.all_do(make_in_step if processes.in_step else make)
        processes.all_do(lambda: manifest.write(self.folder) if processes.is_first else None)
        n = len(self._keys)
        n_cached = n - sum(len(self._positions(number)) for number in self.missing)
        if processes.is_first and n_cached:
            logger.info("%d of %d vectors of keys were cached in %s", n_cached, n, self.folder)
        return StoredVectors(self.folder, manifest)

    def run(self, processes: Processes = ALONE, *, progress: bool = False) -> StoredVectors:
        """All of it, by one process or by all of a group."""
        self.plan(processes)
        return self.finish(processes, progress=progress and processes.is_first)

    @property
    def _manifest(self) -> Manifest:
        return Manifest.of(self._space, self._settings.shard_size, len(self._keys), self._shards or ())

    def _texts(self, number: int) -> list[str]:
        return [self._keys[position].text for position in self._positions(number)]

    def _positions(self, number: int) -> range:
        size = self._settings.shard_size
        return range(number * size, min((number + 1) * size, len(self._keys)))

    def _examined(self, number: int) -> tuple[str, bool]:
        """Digest of the texts of a shard, and whether it is there."""
        digest = digest_of_texts(self._texts(number))
        path = self.folder / f"{digest}.npy"
        if not (whole := is_whole(path)) and path.is_file():
            logger.warning("damaged vectors %s are made again: they are not as they were written", path)
        return digest, whole

    def _check(self, vectors: FloatArray, number: int) -> None:
        positions = self._positions(number)
        expected = [len(positions), self._space.dimension]
        if list(vectors.shape) != expected:
            raise EmbedderError(f"encoder: expected vectors of the form {expected}, got {list(vectors.shape)}")
        wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(wrong):
            told = self._named(positions[int(wrong[0])])
            others = f"as do {len(wrong) - 1} of the {len(positions) - 1} others of its shard"
            raise EmbedderError(f"encoder: the vector of {told} holds NaN or infinity, {others}")

    def _named(self, position: int) -> str:
        key = self._keys[position]
        return f"key {key.id!r} (number {position + 1} of the corpus, {shown(key.text, 60)!r})"
