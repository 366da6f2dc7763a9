"""The encoder that proposes candidates: which one, and how a protocol identifies it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from embedder.candidates.proposers import DenseProposer
from embedder.checks import checked
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.parts import folder_of, pooling_of
from embedder.models.fingerprint import fingerprint_of
from embedder.training.task import Task
from embedder.types import Encoder, TaskSides, VectorIndex

# All other settings of an encoder are part of the protocol, those that it will be given one day too.
_CHANGE_NO_VECTOR = frozenset(
    {"name", "sha256", "lr", "encode_tokens", "micro_batch_tokens", "device", "unpadded"}
    | {"dropout", "cached_gradients", "gradient_checkpointing", "dimensions"}  # of training alone
)


def encoder_protocol(encoder: EncoderConfig) -> dict[str, Any]:
    """What the vectors of an encoder depend on: the contents of its files, and its settings."""
    folder = folder_of(encoder)
    transformers = [folder.query.transformer, folder.key.transformer]  # separate encoders are two
    models = dict.fromkeys([*transformers, *folder.query.dense, *folder.key.dense])
    settings = {name: value for name, value in asdict(encoder).items() if name not in _CHANGE_NO_VECTOR}
    settings |= {"pooling": pooling_of(encoder, folder), "max_length": folder.max_length}
    settings |= {"dimension": encoder.dimension or folder.dimension}
    return {"encoder": [fingerprint_of(model, None, "float32") for model in models], "settings": settings}


def with_own_prompts(sides: TaskSides, encoder: EncoderConfig) -> TaskSides:
    """How an encoder that was not trained on a task reads its texts: with the prompts of its own folder, if any."""
    own = folder_of(encoder).sides
    return replace(sides, query_instruction=own.query_instruction, key_instruction=own.key_instruction)


@checked("prepare.dense")
@dataclass(frozen=True)
class DenseSettings:
    """How dense candidates are proposed, if `candidates.sources` has `dense`.

    Args:
        encoder: What maps queries and keys to vectors: the base encoder, or the export of an earlier run.
        new_index: Makes an empty index.
        instructions: Whether it gets the task's instructions; a base encoder was not trained on them, and gets the
            prompts of its own folder.
    """

    encoder: EncoderConfig
    new_index: Callable[[], VectorIndex]
    instructions: bool = False

    def proposer(self, task: Task) -> DenseProposer:
        """The source for the queries of a task."""
        return DenseProposer(self._built, self.new_index, self._sides(task))

    def _sides(self, task: Task) -> TaskSides:
        return task.sides if self.instructions else with_own_prompts(task.sides, self.encoder)

    def protocol(self, task: Task) -> dict[str, Any]:
        """What the proposed candidates depend on."""
        sides = self._sides(task)
        return {
            **encoder_protocol(self.encoder),
            "index": str(getattr(self.new_index, "keywords", self.new_index)),
            "lengths": [sides.query_max_length, sides.key_max_length, sides.query_keep],
            "instructions": [sides.query_instruction, sides.key_instruction],
        }

    @cached_property
    def _built(self) -> Encoder:
        """Loaded once, when it is first needed."""
        return TextEncoder(self.encoder)
