"""The encoders behind the rows `base`, `trained` and `hybrid`, each loaded once, with their vectors kept on disk."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedder.digests import digest_of
from embedder.encoders.checkpoint import TrainedEncoder, existing, load_trained
from embedder.encoders.config import EncoderConfig
from embedder.encoders.cut import CutEncoder
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.half_precision import HalfPrecisionEncoder
from embedder.errors import ConfigError
from embedder.index.cached_encoder import CachedEncoder
from embedder.models.device import torch_device, warn_of_slow_bfloat16
from embedder.preparation.dense import encoder_protocol, with_own_prompts
from embedder.training.task import Task
from embedder.types import Encoder, TaskSides

PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True)
class RowEncoderSettings:
    """Which encoders an evaluation compares.

    Args:
        encoder: The untrained one.
        checkpoint: The trained one; None for none.
        vectors: Directory where vectors of keys are kept.
        base_instructions: Whether the untrained encoder gets the task's instructions, on which it was not trained, in
            place of the prompts of its own folder.
        precision: `32-true`, or `bf16-mixed` for layers in bfloat16.
    """

    encoder: EncoderConfig
    checkpoint: str | None
    vectors: Path
    base_instructions: bool = False
    precision: str = "32-true"

    def __post_init__(self) -> None:
        if self.checkpoint is not None:
            existing(self.checkpoint)  # even where no row reads it: a path that is written wrongly is told
        if self.precision not in PRECISIONS:
            raise ConfigError("run.precision", f"one of {list(PRECISIONS)}", self.precision)


@dataclass(frozen=True)
class RowEncoder:
    """An encoder that is ready, and what its vectors depend on."""

    encoder: Encoder
    identity: dict[str, Any]


@dataclass(frozen=True)
class RowEncoders:
    """The encoders that the rows need.

    Args:
        settings: Which they are.
        by_row: `base` and `trained`, where a row needs them.
        trained: How the trained encoder reads the tasks that it knows.
    """

    settings: RowEncoderSettings
    by_row: dict[str, RowEncoder] = field(default_factory=dict)
    trained: TrainedEncoder | None = None

    @classmethod
    def load(cls, names: Collection[str], settings: RowEncoderSettings) -> "RowEncoders":
        """Load what the rows of these names need."""
        device = None
        if settings.precision != "32-true":
            device = torch_device(settings.encoder.device, "encoder.device").type
            warn_of_slow_bfloat16(device, "run.precision", "32-true")

        def ready(encoder: Encoder, identity: dict[str, Any]) -> RowEncoder:
            faster = encoder if device is None else HalfPrecisionEncoder(encoder, device)
            cached = CachedEncoder(faster, _digest([identity, settings.precision]), settings.vectors)
            return RowEncoder(cached, identity)

        by_row, trained = {}, None
        if "base" in names or ("hybrid" in names and settings.checkpoint is None):
            by_row["base"] = ready(TextEncoder(settings.encoder), encoder_protocol(settings.encoder))
        if settings.checkpoint is not None and {"trained", "hybrid"} & {*names}:
            identity: dict[str, Any] = {"files": _digest_of_files(Path(settings.checkpoint))}
            trained = load_trained(settings.checkpoint)
            encoder: Encoder = trained.encoder
            dimension = settings.encoder.dimension
            if dimension is not None and dimension != encoder.dimension:  # the base encoder beside it is cut
                encoder, identity = CutEncoder(encoder, dimension), identity | {"dimension": dimension}
            by_row["trained"] = ready(encoder, identity)
        return cls(settings, by_row, trained)

    @property
    def fused(self) -> str:
        """Which of them the row `hybrid` fuses with BM25."""
        return "trained" if "trained" in self.by_row else "base"

    def sides(self, name: str, task: Task) -> TaskSides:
        """How the encoder of a row reads queries and keys of a task.

        Raises:
            ConfigError: The trained model does not know the task.
        """
        if name == "base" or self.trained is None:
            own = self.settings.encoder
            return task.sides if self.settings.base_instructions else with_own_prompts(task.sides, own)
        if self.trained.sides is not None:
            return self.trained.sides
        if task.name not in self.trained.tasks:
            raise ConfigError("checkpoint", f"a model trained on the task {task.name!r}", sorted(self.trained.tasks))
        return self.trained.tasks[task.name]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _digest_of_files(path: Path) -> str:
    """Of a file, or of all files of a directory with their names."""
    existing(path)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return _digest([[str(file.relative_to(path)), digest_of(file)] for file in files])
