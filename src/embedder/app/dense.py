"""The encoder that proposes candidates: which one, and how it is told apart from others in a protocol."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from embedder.candidates.dense import DenseProposer
from embedder.errors import check_types
from embedder.models.backbone import sources
from embedder.models.encoder import EncoderConfig
from embedder.models.fingerprint import fingerprint_of
from embedder.training.task import Task
from embedder.types import Encoder, VectorIndex

# All other settings of an encoder are part of the protocol, those that it will be given one day too.
_CHANGE_NO_VECTOR = frozenset(
    {"name", "sha256", "lr", "encode_tokens", "micro_batch_tokens", "device", "unpadded"}
    | {"dropout", "cached_gradients", "gradient_checkpointing", "dimensions"}  # of training alone
)


def encoder_protocol(encoder: EncoderConfig) -> dict[str, Any]:
    """What the vectors of an encoder depend on: the contents of its files, and its settings."""
    models = dict.fromkeys(sources(encoder).values())  # a separate encoder for keys is another one
    settings = {name: value for name, value in asdict(encoder).items() if name not in _CHANGE_NO_VECTOR}
    return {"encoder": [fingerprint_of(one, encoder.revision, "float32") for one in models], "settings": settings}


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
        return DenseProposer(self._built, self.new_index, sides)

    def protocol(self, task: Task) -> dict[str, Any]:
        """What the proposed candidates depend on."""
        sides = task.sides
        return {
            **encoder_protocol(self.encoder),
            "index": str(getattr(self.new_index, "keywords", self.new_index)),
            "lengths": [sides.query_max_length, sides.key_max_length, sides.query_keep],
            "instructions": [sides.query_instruction, sides.key_instruction] if self.instructions else None,
        }

    @cached_property
    def _built(self) -> Encoder:
        """Loaded once, when it is first asked for."""
        return self.encoder.build()
