"""Load a trained encoder with its instructions, from a training checkpoint or an exported directory."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedder.encoders.checkpoint_file import CHECKPOINT_KEY, load_weights, read_checkpoint
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import EXPORT_FORMAT, check_whole
from embedder.encoders.probes import check_probes, description_of
from embedder.encoders.query_only import check_keys
from embedder.encoders.sentence_encoder import SentenceTransformerEncoder
from embedder.encoders.sentence_files import DESCRIPTION, SentenceFiles, read_json
from embedder.encoders.sentence_folder import OtherModulesError, read_folder
from embedder.errors import ConfigError, DataError, reading
from embedder.models.loading import reason
from embedder.replaced import read_as_one
from embedder.types import Encoder, TaskSides

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedEncoder:
    """An encoder and how it encodes each side of each task.

    Args:
        tasks: Empty for a model that was not trained here.
        sides: How a model of others encodes queries and keys of any task: by its own prompts.
    """

    encoder: Encoder
    tasks: Mapping[str, TaskSides]
    sides: TaskSides | None = None

    def sides_of(self, task: str) -> TaskSides:
        """How it encodes queries and keys of a task.

        Raises:
            ConfigError: It was trained here, and not on this task.
        """
        if self.sides is not None:
            return self.sides
        if task not in self.tasks:
            raise ConfigError("checkpoint", f"a model trained on the task {task!r}", sorted(self.tasks))
        return self.tasks[task]


@dataclass(frozen=True)
class Training:
    """The tasks and data sets of a training, and whether it was query-only: keys are those of the base encoder.

    Args:
        base: Name of the encoder that it began with.
    """

    tasks: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    keys_stayed: bool = False
    base: str | None = None


def describe(
    encoder: TextEncoder, tasks: Mapping[str, TaskSides], about: Mapping[str, Any], keys: str | None = None
) -> dict[str, Any]:
    """What a checkpoint says of its encoder, as plain values: `description_of` it, and what made it."""
    return {**description_of(encoder, tasks, keys), "about": dict(about)}


def load_trained(path: Path | str) -> TrainedEncoder:
    """Load `*.ckpt`, a directory written by `export`, or any other sentence-transformers directory.

    Example:
        ```python
        trained = load_trained("runs/qa/export")
        queries = trained.encoder.encode(["who wrote it?"], trained.tasks["qa"].query)  # [1, D], with its instruction
        ```

    Raises:
        DataError: The path is none of these, is damaged, or gives other vectors than when it was written.
        ConfigError: There is no such path, or a model of others cannot be used as an encoder here.
    """
    path = existing(path)
    return read_as_one(path, lambda: _load(path))


def _load(path: Path) -> TrainedEncoder:
    if path.is_file():
        return _from_checkpoint(path)
    if (path / DESCRIPTION).is_file():
        return _from_export(path)
    if (path / "modules.json").is_file():
        return _of_others(path)
    what = "neither a checkpoint file nor a sentence-transformers directory"
    raise DataError(path, None, f"{what} (checkpoint: a file *.ckpt, or a folder `export` of a run)")


def _from_checkpoint(path: Path) -> TrainedEncoder:
    checkpoint = read_checkpoint(path)
    description = checkpoint[CHECKPOINT_KEY]
    with _damage_named(path):
        encoder = TextEncoder(EncoderConfig(**description["encoder"]))
        load_weights(encoder, checkpoint, path)
        return _checked(encoder, description, path)


def _from_export(path: Path) -> TrainedEncoder:
    check_whole(path)
    file = path / DESCRIPTION
    with _damage_named(file):
        description = read_json(file)
        if description["format"] != EXPORT_FORMAT:
            formats = f"format {description['format']!r}; this version reads the format {EXPORT_FORMAT}"
            raise DataError(file, None, f"{formats}: export it again from its checkpoint")
        # As it was trained, but for where it lies and what only training needs.
        here = {"name": str(path), "revision": None, "sha256": None, "device": "auto", "attention": "auto"}
        merged = {"lora": None, "gradient_checkpointing": False}
        encoder = TextEncoder(EncoderConfig(**{**description["encoder"], **here, **merged}))
        return _checked(encoder, description, path)


def _checked(encoder: TextEncoder, description: Mapping[str, Any], path: Path) -> TrainedEncoder:
    tasks = {name: TaskSides(**sides) for name, sides in description["tasks"].items()}
    readings = {name: sides.key for name, sides in tasks.items()}
    check_keys(encoder, readings, description.get("key_fingerprints", {}), path)
    check_probes(encoder, description, path)
    return TrainedEncoder(encoder.eval(), tasks)


def _of_others(path: Path) -> TrainedEncoder:
    files = SentenceFiles(path, "checkpoint", str(path))
    try:
        folder = read_folder(files)
    except OtherModulesError as error:
        logger.info("%s is read by sentence-transformers itself: %s", path, error)
        return TrainedEncoder(SentenceTransformerEncoder(files), {}, files.prompts)
    config = EncoderConfig(str(path), shared=folder.query == folder.key)
    return TrainedEncoder(TextEncoder(config).eval(), {}, folder.sides)


def training_of(path: Path | str) -> Training:
    """What a checkpoint or an exported directory says of its training; nothing for models of others.

    Raises:
        DataError: It is damaged, or a file that is no checkpoint.
    """
    path = existing(path)
    file = path if path.is_file() else path / DESCRIPTION
    if not file.is_file():
        return Training()
    with _damage_named(file):
        description = read_checkpoint(file)[CHECKPOINT_KEY] if file is path else read_json(file)
        data = description.get("about", description).get("data", {})  # an export has it beside the rest
        keys_stayed = bool(description.get("key_fingerprints"))
        return Training(tuple(description["tasks"]), dict(data), keys_stayed, description["encoder"]["name"])


def existing(path: Path | str) -> Path:
    """A path that exists.

    Raises:
        ConfigError: There is nothing.
    """
    if not Path(path).exists():
        expected = "a .ckpt file, the folder export/ of a training run or a sentence-transformers folder that exists"
        raise ConfigError("checkpoint", expected, str(path))
    return Path(path)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Name the file when what it says of its encoder is not what was written, or its encoder cannot be loaded."""
    wrong = (AttributeError, KeyError, TypeError, ValueError, RuntimeError, RecursionError)
    try:
        with reading(path, "a damaged description or damaged weights", *wrong, said=reason):
            yield
    except ConfigError as error:
        raise DataError(path, None, f"its encoder cannot be loaded: {error}") from error
