"""Load a trained encoder with its instructions, from a training checkpoint or an exported directory."""

import json
import pickle  # for the name of an error; nothing is unpickled
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from embedder.errors import DataError
from embedder.models.encoder import EncoderConfig, TextEncoder
from embedder.models.export import PROBES, TaskSides, check_probes
from embedder.types import Encoder, FloatArray

CHECKPOINT_KEY = "embedder"
"""Where a training checkpoint keeps the description of its encoder."""


@dataclass(frozen=True)
class TrainedEncoder:
    """An encoder and how it encodes each side of each task (empty for a model that does not say)."""

    encoder: Encoder
    tasks: Mapping[str, TaskSides]


def describe(encoder: TextEncoder, tasks: Mapping[str, TaskSides], about: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says about its encoder, as plain values: base model, tasks, probe vectors, provenance."""
    return {
        "encoder": asdict(encoder.config),
        "tasks": {name: asdict(sides) for name, sides in tasks.items()},
        "probes": list(PROBES),
        "probe_vectors": encoder.encode(PROBES).tolist(),
        "about": dict(about),
    }


def load_trained(path: Path | str) -> TrainedEncoder:
    """Load `*.ckpt`, a directory written by `export`, or any other sentence-transformers directory.

    Raises:
        DataError: There is nothing of the kind, or its vectors are not those it was saved with.
    """
    path = Path(path)
    if path.is_file():
        return _from_checkpoint(path)
    if (path / "embedder.json").is_file():
        description = json.loads((path / "embedder.json").read_text(encoding="utf-8"))
        encoder = EncoderConfig(name=str(path), pooling=description["pooling"]).build()
        return _checked(encoder, description, path)
    if (path / "modules.json").is_file():
        return TrainedEncoder(SentenceTransformerEncoder(path), {})
    raise DataError(path, None, "neither a checkpoint file nor a sentence-transformers directory")


def _from_checkpoint(path: Path) -> TrainedEncoder:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)  # tensors and plain values, no code
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(path, None, "not a checkpoint: torch cannot read it") from error
    description = checkpoint.get(CHECKPOINT_KEY)
    if description is None:
        raise DataError(path, None, "not a checkpoint of this project (it does not describe its encoder)")
    encoder = EncoderConfig(**description["encoder"]).build()
    prefix = "encoder."
    weights = {
        name.removeprefix(prefix): value for name, value in checkpoint["state_dict"].items() if name.startswith(prefix)
    }
    encoder.load_state_dict(weights)
    return _checked(encoder, description, path)


def _checked(encoder: TextEncoder, description: Mapping[str, Any], path: Path) -> TrainedEncoder:
    check_probes(encoder, description, path)
    return TrainedEncoder(encoder, {name: TaskSides(**sides) for name, sides in description["tasks"].items()})


class SentenceTransformerEncoder:
    """Any sentence-transformers model as an `Encoder`; its own normalisation is completed to unit vectors.

    Args:
        name: A directory or a Hugging Face name.
    """

    def __init__(self, name: Path | str) -> None:
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(str(name))

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    def encode(
        self, texts: Sequence[str], instruction: str = "", max_length: int | None = None, *, progress: bool = False
    ) -> FloatArray:
        """Unit vectors of `instruction + text`, [n, D]; the model's own maximum length holds if it is smaller."""
        own_length = self._model.max_seq_length
        self._model.max_seq_length = min(own_length or 1 << 30, max_length or own_length or 1 << 30)
        try:
            vectors: FloatArray = self._model.encode(
                [instruction + text for text in texts],
                prompt="",  # the instruction is already there; a default prompt of the model must not come on top
                normalize_embeddings=True,
                show_progress_bar=progress,
                convert_to_numpy=True,
            )
        finally:
            self._model.max_seq_length = own_length
        return vectors.astype("float32")
