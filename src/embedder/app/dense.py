"""The encoder that proposes candidates: which one, and how it is told apart from others in a protocol."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from embedder.candidates.dense import DenseProposer
from embedder.errors import check_types
from embedder.models.encoder import EncoderConfig
from embedder.models.fingerprint import fingerprint_of
from embedder.models.packages import resolve_model
from embedder.training.task import Task
from embedder.types import Encoder, VectorIndex


@dataclass(frozen=True)
class DenseSettings:
    """How dense candidates are proposed, where `candidates.sources` asks for them.

    Args:
        encoder: What maps queries and keys to vectors: the base encoder, or the export of an earlier run.
        new_index: Makes an empty index.
        instructions: Whether it gets the task's instructions; a base encoder was not trained on them.
    """

    encoder: EncoderConfig
    new_index: Callable[[], VectorIndex]
    instructions: bool = False

    def __post_init__(self) -> None:
        check_types(self, "prepare.dense")

    def proposer(self, task: Task) -> DenseProposer:
        """The source for the queries of a task."""
        sides = task.sides
        if not self.instructions:
            sides = replace(sides, query_instruction="", key_instruction="")
        return DenseProposer(_encoder(self.encoder), self.new_index, sides)

    def protocol(self, task: Task) -> dict[str, Any]:
        """What the proposed candidates depend on."""
        encoder, sides = self.encoder, task.sides
        return {
            "encoder": fingerprint_of(resolve_model(encoder.name), encoder.revision, encoder.pooling),
            "index": str(getattr(self.new_index, "keywords", self.new_index)),
            "lengths": [sides.query_max_length, sides.key_max_length, sides.query_keep],
            "instructions": [sides.query_instruction, sides.key_instruction] if self.instructions else None,
        }


@cache
def _encoder(config: EncoderConfig) -> Encoder:
    """Loaded once, when it is first asked for."""
    return config.build()
