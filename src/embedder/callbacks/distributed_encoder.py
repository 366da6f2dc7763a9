"""Encode a corpus on all processes: each encodes its share of the keys and gets the vectors of all."""

from collections.abc import Sequence

import torch

from embedder.training.gather import Share, gather_shares, world_size
from embedder.types import Encoder, FloatArray, Reading


class DistributedEncoder:
    """An encoder whose keys are distributed over the processes; queries are each process's own.

    All processes have to encode the same keys at the same time.

    Args:
        encoder: With the same weights on all processes.
        rank: Number of this process.
        device: Where vectors can be gathered.
    """

    def __init__(self, encoder: Encoder, rank: int, device: torch.device) -> None:
        self._encoder, self._rank, self._device = encoder, rank, device

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._encoder.dimension

    def encode(self, texts: Sequence[str], reading: Reading, *, progress: bool = False) -> FloatArray:
        """Unit vectors, [n, D]; see `Encoder`."""
        progress = progress and self._rank == 0
        if reading.side == "query":
            return self._encoder.encode(texts, reading, progress=progress)
        own = [texts[index] for index in Share(self._rank, world_size())(len(texts))]
        vectors = self._encoder.encode(own, reading, progress=progress)
        gathered: FloatArray = gather_shares(torch.from_numpy(vectors).to(self._device), len(texts)).cpu().numpy()
        return gathered
