"""The encoder that is being trained, on one process or on all, for callbacks that index a corpus between two steps."""

from collections.abc import Sequence

import lightning as L
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.strategies import ModelParallelStrategy

from embedder.callbacks.step_vectors import StepVectors
from embedder.processes import Processes
from embedder.training.module import RetrieverModule
from embedder.types import Encoder, FloatArray, Reading
from embedder.vectors.stored_encoder import StoredEncoder


class CurrentEncoder:
    """Encodes with the weights of the moment, in the precision in which the steps are computed.

    Args:
        encoder: Has the weights.
        precision: That of the trainer.

    Raises:
        TypeError: The encoder has no method `encode`.
    """

    def __init__(self, encoder: object, precision: Precision) -> None:
        if not isinstance(encoder, Encoder):
            raise TypeError(f"the encoder has no method 'encode': {type(encoder).__name__}")
        self._encoder: Encoder = encoder
        self._precision = precision

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._encoder.dimension

    def encode(self, texts: Sequence[str], reading: Reading, *, progress: bool = False) -> FloatArray:
        """Unit vectors, [n, D]; see `Encoder`."""
        with self._precision.forward_context():  # around this alone: an LLM asked in between keeps its own precision
            return self._encoder.encode(texts, reading, progress=progress)


def current_encoder(trainer: L.Trainer, module: RetrieverModule) -> StoredEncoder:
    """Encodes with the weights of the moment; all processes encode the same corpora in the same order.

    Each encodes its share and reads what the others have encoded. Queries are each process's own.
    """
    of_step = StepVectors.of(trainer)
    made_by, settings = of_step.at(trainer)
    processes = Processes.here(in_step=is_sharded(trainer))
    encoder = CurrentEncoder(module.encoder, trainer.precision_plugin)
    return StoredEncoder(encoder, made_by, settings, processes, for_one_step=not of_step.outlive_the_step)


def is_sharded(trainer: L.Trainer) -> bool:
    """Whether each process has a part of the weights only: then all have to encode the same texts at the same time."""
    return isinstance(trainer.strategy, ModelParallelStrategy)
