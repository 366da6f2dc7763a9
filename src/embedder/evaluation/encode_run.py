"""Encode corpora ahead of an evaluation, and index them, with as many processes as there are: `action=encode`."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L

from embedder.checks import checked
from embedder.data.corpus import Corpus
from embedder.encoders.config import EncoderConfig
from embedder.errors import ConfigError
from embedder.evaluation.row_encoders import RowEncoders
from embedder.evaluation.tasks_of_checkpoint import evaluated_pairs
from embedder.index.auto_index import AutoIndex
from embedder.index.faiss_index import FaissIndex
from embedder.preparation.datasets import Source
from embedder.training.task import Task
from embedder.types import VectorIndex
from embedder.vectors.predict import EncodingEngine, elsewhere, new_trainer
from embedder.vectors.settings import VectorSettings

logger = logging.getLogger(__name__)


@checked("run")
@dataclass(frozen=True)
class EncodeRun:
    """What `action=encode` does: vectors and index of all corpora, which an evaluation with the same settings reads.

    Args:
        tasks: The task mix.
        source: Names the data sets.
        encoder: The base encoder.
        trainer: Makes the Lightning trainer: on which devices, of how many machines.
        vectors: Where the vectors go, and in which form.
        new_index: Makes an empty index; one of FAISS is built where it is kept beside the vectors.
        engine: Encodes in place of the trainer, such as a Ray cluster; None for the trainer.
        checkpoint: The trained encoder, which encodes too where there is one.
        rows: As of an evaluation; those of encoders count. None for all.
        precision: See `RowEncoders`.
        tasks_of_checkpoint: Of the mix only the tasks that the checkpoint was trained on and that the source has.
    """

    tasks: dict[str, Task]
    source: Source
    encoder: EncoderConfig
    trainer: Callable[..., L.Trainer]
    vectors: VectorSettings
    new_index: Callable[[], VectorIndex]
    engine: EncodingEngine | None = None
    checkpoint: str | None = None
    rows: Sequence[str] | None = None
    precision: str = "32-true"
    tasks_of_checkpoint: bool = False

    @property
    def kept(self) -> str:
        """What a stopped run leaves."""
        return f"the files that were done are kept in {self.vectors.directory}; the same command resumes"

    def run(self) -> None:
        """Encode; what is wrong with the settings shows before the first text is read.

        Raises:
            ConfigError: No row has an encoder, or the trainer refuses a setting.
        """
        encoders = RowEncoders(
            self.encoder,
            self.checkpoint,
            self.vectors,
            precision=self.precision,
            encode_elsewhere=elsewhere(self.engine, new_trainer(self.trainer)),
        )
        names = self._names(encoders)
        self.new_index()
        pairs = evaluated_pairs(self.tasks, self.source, self.checkpoint, of_checkpoint=self.tasks_of_checkpoint)
        for task, dataset in pairs:
            corpus = Corpus(dataset.file("corpus"))
            for name in names:
                vectors = encoders.of(name).encoder.vectors(corpus, encoders.sides(name, task).key, progress=True)
                where = Path(self.vectors.directory)
                logger.info("%s/%s: %d vectors of %s are in %s", task.name, dataset.name, len(vectors), name, where)
                index = self.new_index()
                if isinstance(
                    index, FaissIndex | AutoIndex
                ):  # a database is filled by one process, not by all of these
                    index.begin(vectors, progress=True)

    def _names(self, encoders: RowEncoders) -> list[str]:
        wanted = ["base", "trained", "hybrid"] if self.rows is None else self.rows
        names = dict.fromkeys(encoders.fused if row == "hybrid" else row for row in wanted)
        chosen: list[str] = [
            name for name in ("base", "trained") if name in names and (name == "base" or self.checkpoint)
        ]
        if not chosen:
            raise ConfigError("rows", "one with an encoder (base, trained with a checkpoint, hybrid)", self.rows)
        return chosen
