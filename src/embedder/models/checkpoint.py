"""Load a trained encoder with its instructions, from a training checkpoint or an exported directory."""

import json
import pickle  # for the name of an error; nothing is unpickled
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from embedder.errors import DataError
from embedder.models.encoder import EncoderConfig, TextEncoder
from embedder.models.export import check_probes, probe_vectors
from embedder.models.keep_end import keep_ends
from embedder.types import Encoder, FloatArray, Reading, TaskSides

CHECKPOINT_KEY = "embedder"
"""Where a training checkpoint keeps the description of its encoder."""


@dataclass(frozen=True)
class TrainedEncoder:
    """An encoder and how it encodes each side of each task.

    Args:
        encoder: The model.
        tasks: Empty for a model that was not trained here.
        sides: How a model of others encodes queries and keys of any task: by its own prompts.
    """

    encoder: Encoder
    tasks: Mapping[str, TaskSides]
    sides: TaskSides | None = None


def check_continues(path: Path | str, about: Mapping[str, Any]) -> None:
    """Refuse to go on from a checkpoint of other data, another batch plan or other settings of training.

    Raises:
        DataError: It is no checkpoint of this project, or something that decides what a step does differs.
    """
    before = _read_checkpoint(Path(path))[CHECKPOINT_KEY]["about"]
    for part in about:
        if before.get(part) != about[part]:
            names = sorted({*before.get(part, {}), *about[part]})
            changed = [name for name in names if before.get(part, {}).get(name) != about[part].get(name)]
            raise DataError(
                path,
                None,
                f"was trained with other {part} ({', '.join(changed)}); to start from its weights with new settings, "
                "export it and name the folder as encoder.name",
            )


def describe(encoder: TextEncoder, tasks: Mapping[str, TaskSides], about: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says about its encoder, as plain values: base model, tasks, probe vectors, provenance."""
    return {
        "encoder": asdict(encoder.config),
        "tasks": {name: asdict(sides) for name, sides in tasks.items()},
        **probe_vectors(encoder, tasks),
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
        with _damage_named(path / "embedder.json"):
            description = json.loads((path / "embedder.json").read_text(encoding="utf-8"))
            encoder = _exported_config(description, path).build()
            return _checked(encoder, description, path)
    if (path / "modules.json").is_file():
        encoder_of_others = SentenceTransformerEncoder(path)
        return TrainedEncoder(encoder_of_others, {}, encoder_of_others.sides)
    raise DataError(path, None, "neither a checkpoint file nor a sentence-transformers directory")


def trained_tasks(path: Path | str) -> list[str]:
    """Names of the tasks that a checkpoint or an exported directory was trained on; none for models of others.

    Raises:
        DataError: It is damaged, or a file that is no checkpoint.
    """
    path = Path(path)
    description = path / "embedder.json"
    if path.is_file():
        with _damage_named(path):
            return list(_read_checkpoint(path)[CHECKPOINT_KEY]["tasks"])
    if not description.is_file():
        return []
    with _damage_named(description):
        return list(json.loads(description.read_text(encoding="utf-8"))["tasks"])


def _exported_config(description: Mapping[str, Any], path: Path) -> EncoderConfig:
    """How an exported encoder is loaded: as it was trained, but for where it lies and what only training needs."""
    settings = description["encoder"] if description["format"] > 1 else {"pooling": description["pooling"]}
    here = {"name": str(path), "revision": None, "sha256": None, "device": "auto"}
    merged = {"lora": None, "gradient_checkpointing": False}
    return EncoderConfig(**{**settings, **here, **merged, "attention": "auto"})


def _from_checkpoint(path: Path) -> TrainedEncoder:
    checkpoint = _read_checkpoint(path)
    description = checkpoint[CHECKPOINT_KEY]
    with _damage_named(path):
        encoder = EncoderConfig(**description["encoder"]).build()
        encoder.load_state_dict(encoder_weights(checkpoint))
        return _checked(encoder, description, path)


def encoder_weights(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of the encoder alone, by their names in it."""
    prefix = "encoder."
    return {n.removeprefix(prefix): value for n, value in checkpoint["state_dict"].items() if n.startswith(prefix)}


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)  # tensors and plain values, no code
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(path, None, "not a checkpoint: torch cannot read it") from error
    if not isinstance(checkpoint, dict) or CHECKPOINT_KEY not in checkpoint:
        raise DataError(path, None, "not a checkpoint of this project (it does not describe its encoder)")
    return checkpoint


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Name the file when what it says of its encoder is not what was written."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(path, None, f"a damaged description or damaged weights ({reason})") from error


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
    def sides(self) -> TaskSides:
        """The model's own prompts for queries and documents; empty where it has none."""
        prompts = self._model.prompts
        key = prompts.get("document") or prompts.get("passage") or prompts.get("corpus") or ""
        return TaskSides(prompts.get("query") or "", key)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str], reading: Reading, *, progress: bool = False) -> FloatArray:
        """Unit vectors, [n, D]; the model's own maximum length holds if it is smaller."""
        own_length = self._model.max_seq_length
        length = min(own_length or 1 << 30, reading.max_length or own_length or 1 << 30)
        if reading.keep == "end":
            texts = keep_ends(self._model.tokenizer, texts, reading.instruction, length)
        encode = self._model.encode_query if reading.side == "query" else self._model.encode_document
        self._model.max_seq_length = length
        try:
            vectors: FloatArray = encode(
                [reading.instruction + text for text in texts],
                prompt="",  # the instruction is already there; a default prompt of the model must not come on top
                normalize_embeddings=True,
                show_progress_bar=progress,
                convert_to_numpy=True,
            )
        finally:
            self._model.max_seq_length = own_length
        return vectors.astype("float32")
