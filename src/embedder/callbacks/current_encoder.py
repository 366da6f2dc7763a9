"""The encoder that is being trained, on one process or on all, for callbacks that index a corpus between two steps."""

from collections.abc import Sequence

import lightning as L
import torch
from lightning.pytorch.strategies import ModelParallelStrategy

from embedder.callbacks.kept_keys import KeptKeys
from embedder.callbacks.of_trainer import callbacks_of
from embedder.training.gather import Share, gather_shares, world_size
from embedder.training.module import RetrieverModule
from embedder.types import Encoder, FloatArray, Reading


class CurrentEncoder:
    """Encodes with the weights of the moment, in the precision in which the steps are computed.

    Args:
        trainer: Knows the precision.
        module: Has the weights.

    Raises:
        TypeError: The module's encoder has no method `encode`.
    """

    def __init__(self, trainer: L.Trainer, module: RetrieverModule) -> None:
        encoder = module.encoder
        if not isinstance(encoder, Encoder):
            raise TypeError(f"the encoder has no method 'encode': {type(encoder).__name__}")
        self._encoder: Encoder = encoder
        self._precision = trainer.precision_plugin

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._encoder.dimension

    def encode(self, texts: Sequence[str], reading: Reading, *, progress: bool = False) -> FloatArray:
        """Unit vectors, [n, D]; see `Encoder`."""
        with self._precision.forward_context():  # around this alone: an LLM asked in between keeps its own precision
            return self._encoder.encode(texts, reading, progress=progress)


def current_encoder(trainer: L.Trainer, module: RetrieverModule) -> Encoder:
    """Encodes with the weights of the moment; keys that no step changes are read where they were encoded before."""
    encoder = CurrentEncoder(trainer, module)
    kept = callbacks_of(trainer, KeptKeys)
    if not kept or is_sharded(trainer):  # where all encode together, none may find what another one does not
        return encoder
    return kept[0].around(encoder, str(trainer.precision))


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


def is_sharded(trainer: L.Trainer) -> bool:
    """Whether each process has a part of the weights only: then all have to encode the same texts at the same time."""
    return isinstance(trainer.strategy, ModelParallelStrategy)
