"""The encoders behind the rows `base`, `trained` and `hybrid`, with the vectors of corpora on disk."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from embedder.digests import digest_of
from embedder.encoders.around import CutEncoder, HalfPrecisionEncoder
from embedder.encoders.checkpoint import TrainedEncoder, existing, load_trained, training_of
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.key_side import key_fingerprint, made_by_keys
from embedder.errors import ConfigError
from embedder.identity import identity
from embedder.models.device import torch_device, warn_of_slow_bfloat16
from embedder.preparation.dense import encoder_protocol, read_by
from embedder.replaced import read_as_one
from embedder.training.task import Task
from embedder.types import CorpusEncoder, Encoder, TaskSides
from embedder.vectors.encoding import Encoding
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored import StoredVectors
from embedder.vectors.stored_encoder import StoredEncoder

PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True)
class RowEncoder:
    """An encoder that is ready, and what its vectors depend on."""

    encoder: CorpusEncoder
    protocol: dict[str, Any]


@dataclass(frozen=True)
class RowEncoders:
    """The untrained and the trained encoder of an evaluation, each loaded when the first row needs it.

    Args:
        untrained: The base encoder.
        checkpoint: The trained one; None for none.
        vectors: Where vectors of keys lie.
        precision: `32-true`, or `bf16-mixed` for layers in bfloat16.
        encode_elsewhere: See `StoredEncoder`.
    """

    untrained: EncoderConfig
    checkpoint: str | None
    vectors: VectorSettings
    precision: str = "32-true"
    encode_elsewhere: Callable[[Encoding], StoredVectors] | None = None

    def __post_init__(self) -> None:
        if self.checkpoint is not None:
            existing(self.checkpoint)  # even where no row reads it: a path that is written wrongly is told
        if self.precision not in PRECISIONS:
            raise ConfigError("run.precision", f"one of {list(PRECISIONS)}", self.precision)

    @property
    def fused(self) -> str:
        """Which of them the row `hybrid` fuses with BM25."""
        return "base" if self.checkpoint is None else "trained"

    def of(self, name: str) -> RowEncoder:
        """The encoder of the row `base` or `trained`."""
        return self._base if name == "base" else self._trained

    def sides(self, name: str, task: Task) -> TaskSides:
        """How the encoder of a row reads queries and keys of a task.

        Raises:
            ConfigError: The trained model does not know the task.
        """
        if name == "base":
            sides = read_by(self.untrained, task, instructions=False)
            return self._with_deployed_keys(sides, task) if self._keys_stayed else sides
        return self._loaded.sides_of(task.name)

    def _with_deployed_keys(self, sides: TaskSides, task: Task) -> TaskSides:
        """Where training left the keys of this base encoder as they were, both rows read one index of them."""
        if not self._trained_from_base:
            return sides
        trained = self._loaded.sides_of(task.name)
        return replace(sides, key_instruction=trained.key_instruction, key_max_length=trained.key_max_length)

    @cached_property
    def _trained_from_base(self) -> bool:
        """Whether the keys of the trained encoder are those of this base encoder."""
        trained = self._loaded.encoder
        return isinstance(trained, TextEncoder) and key_fingerprint(trained) == key_fingerprint(self._untrained)

    @cached_property
    def _keys_stayed(self) -> bool:
        return self.checkpoint is not None and training_of(self.checkpoint).keys_stayed

    @property
    def _untrained(self) -> TextEncoder:
        return self._untrained_files[0]

    @cached_property
    def _untrained_files(self) -> tuple[TextEncoder, dict[str, Any]]:
        """The base encoder, and what its vectors depend on: the base may be an export, which is replaced as one."""
        return read_as_one(
            Path(self.untrained.name), lambda: (TextEncoder(self.untrained), encoder_protocol(self.untrained))
        )

    @cached_property
    def _base(self) -> RowEncoder:
        return self._ready(*self._untrained_files)

    @cached_property
    def _trained(self) -> RowEncoder:
        encoder: Encoder = self._loaded.encoder
        protocol: dict[str, Any] = {"files": self._loaded_files[1]}
        dimension = self.untrained.dimension
        if dimension is not None and dimension != encoder.dimension:  # the base encoder beside it is cut
            encoder, protocol = CutEncoder(encoder, dimension), protocol | {"dimension": dimension}
        return self._ready(encoder, protocol)

    @property
    def _loaded(self) -> TrainedEncoder:
        return self._loaded_files[0]

    @cached_property
    def _loaded_files(self) -> tuple[TrainedEncoder, str]:
        """The trained encoder, and the digest of the files that it is of, by which its vectors are found again."""
        path = existing(self.checkpoint or "")
        return read_as_one(path, lambda: (load_trained(path), _digest_of_files(path)))

    def _ready(self, encoder: Encoder, protocol: dict[str, Any]) -> RowEncoder:
        # By contents where training left the keys as they were: those of the base encoder serve the trained one too.
        made_by = protocol | {"precision": self.precision}
        if self._keys_stayed and isinstance(encoder, TextEncoder):
            made_by = made_by_keys(encoder, key_fingerprint(encoder), self.precision)
        if (device := self._bfloat16_device) is not None:
            encoder = HalfPrecisionEncoder(encoder, device)
        return RowEncoder(
            StoredEncoder(encoder, made_by, self.vectors, encode_elsewhere=self.encode_elsewhere),
            protocol | self.vectors.protocol,
        )

    @cached_property
    def _bfloat16_device(self) -> str | None:
        """Where layers compute in bfloat16; None where they do not."""
        if self.precision == "32-true":
            return None
        device: str = torch_device(self.untrained.device, "encoder.device").type
        warn_of_slow_bfloat16(device, "run.precision", "32-true")
        return device


def _digest_of_files(path: Path) -> str:
    """Of a file, or of all files of a directory with their names."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return identity(files=[[str(file.relative_to(path)), digest_of(file)] for file in files])
