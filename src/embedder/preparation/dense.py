"""The encoder that proposes candidates: which one, and how a protocol identifies it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from embedder.candidates.proposers import DenseProposer
from embedder.checks import checked
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.parts import folder_of, pooling_of
from embedder.models.fingerprint import fingerprint_of
from embedder.replaced import read_as_one
from embedder.training.task import Task
from embedder.types import CorpusEncoder, Keys, TaskSides, VectorIndex
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored_encoder import StoredEncoder

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


def read_by(encoder: EncoderConfig, task: Task, *, instructions: bool = True) -> TaskSides:
    """How an encoder reads the texts of a task.

    Args:
        encoder: Its settings.
        task: Where it names no instruction (None), the encoder's own folder does, if it has prompts.
        instructions: False for an encoder that was not trained on those of the task: it has the prompts of its folder.
    """
    own, sides = folder_of(encoder).sides, task.sides
    if not instructions or task.query_instruction is None:
        sides = replace(sides, query_instruction=own.query_instruction)
    if not instructions or task.key_instruction is None:
        sides = replace(sides, key_instruction=own.key_instruction)
    return sides


@checked("prepare.dense")
@dataclass(frozen=True)
class DenseSettings:
    """How dense candidates are proposed, if `candidates.sources` has `dense`.

    Args:
        encoder: What maps queries and keys to vectors: the base encoder, or the export of an earlier run.
        new_index: Makes an empty index.
        vectors: Where vectors of keys lie.
        instructions: Whether it gets the task's instructions; a base encoder was not trained on them, and gets the
            prompts of its own folder.
    """

    encoder: EncoderConfig
    new_index: Callable[[], VectorIndex]
    vectors: VectorSettings
    instructions: bool = False

    def proposer(self, task: Task) -> DenseProposer:
        """The source for the queries of a task."""
        return DenseProposer(self._built, self.new_index, self._sides(task))

    def _sides(self, task: Task) -> TaskSides:
        return read_by(self.encoder, task, instructions=self.instructions)

    def encode(self, task: Task, corpus: Keys) -> None:
        """Encode what is not yet encoded of a corpus; processes that do so at once share it."""
        self._built.vectors(corpus, self._sides(task).key, progress=True)

    def release(self) -> None:
        """Give back the memory of the encoder, which is loaded again when it is needed."""
        vars(self).pop("_built", None)

    def protocol(self, task: Task) -> dict[str, Any]:
        """What the proposed candidates depend on."""
        sides = self._sides(task)
        return {
            **encoder_protocol(self.encoder),
            "index": str(getattr(self.new_index, "keywords", self.new_index)),
            "lengths": [sides.query_max_length, sides.key_max_length, sides.query_keep],
            "instructions": [sides.query_instruction, sides.key_instruction],
            **self.vectors.protocol,
        }

    @cached_property
    def _built(self) -> CorpusEncoder:
        """Loaded once, when it is first needed; an evaluation of the same encoder reads its vectors."""
        path = Path(self.encoder.name)
        encoder, protocol = read_as_one(path, lambda: (TextEncoder(self.encoder), encoder_protocol(self.encoder)))
        return StoredEncoder(encoder, protocol | {"precision": "32-true"}, self.vectors)
