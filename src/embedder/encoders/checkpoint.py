"""Load a trained encoder with its instructions, from a training checkpoint or an exported directory."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.digests import DIGESTS, damage
from embedder.encoders.checkpoint_file import CHECKPOINT_KEY, load_weights, read_checkpoint
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import EXPORT_FORMAT
from embedder.encoders.probes import check_probes, description_of
from embedder.encoders.query_only import check_keys
from embedder.encoders.sentence_encoder import SentenceTransformerEncoder
from embedder.encoders.sentence_folder import own_prompts, read_folder
from embedder.encoders.sentence_modules import OtherModulesError
from embedder.errors import ConfigError, DataError, MissingExtraError
from embedder.models.loading import reason
from embedder.types import Encoder, TaskSides

logger = logging.getLogger(__name__)


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


def describe(encoder: TextEncoder, tasks: Mapping[str, TaskSides], about: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says about its encoder, as plain values: base model, tasks, probe vectors, provenance."""
    return {**description_of(encoder, tasks), "about": dict(about)}


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
    if path.is_file():
        return _from_checkpoint(path)
    if (path / "embedder.json").is_file():
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
    if (path / DIGESTS).is_file() and (wrong := damage(path)) is not None:
        advice = f"export it anew; if it was changed on purpose, delete {DIGESTS} there"
        raise DataError(path, None, f"{wrong}: {advice}")
    file = path / "embedder.json"
    with _damage_named(file):
        description = json.loads(file.read_text(encoding="utf-8"))
        if description["format"] != EXPORT_FORMAT:
            formats = f"format {description['format']!r}; this version reads the format {EXPORT_FORMAT}"
            raise DataError(file, None, f"{formats}: export it anew from its checkpoint")
        # As it was trained, but for where it lies and what only training needs.
        here = {"name": str(path), "revision": None, "sha256": None, "device": "auto", "attention": "auto"}
        merged = {"lora": None, "gradient_checkpointing": False}
        encoder = TextEncoder(EncoderConfig(**{**description["encoder"], **here, **merged}))
        return _checked(encoder, description, path)


def _checked(encoder: TextEncoder, description: Mapping[str, Any], path: Path) -> TrainedEncoder:
    tasks = {name: TaskSides(**sides) for name, sides in description["tasks"].items()}
    check_keys(encoder, tasks, description.get("key_fingerprints", {}), path)
    check_probes(encoder, description, path)
    return TrainedEncoder(encoder, tasks)


def _of_others(path: Path) -> TrainedEncoder:
    try:
        folder = read_folder(path, "checkpoint", str(path))
    except OtherModulesError as error:
        logger.info("%s is read by sentence-transformers itself: %s", path, error)
        return TrainedEncoder(SentenceTransformerEncoder(path), {}, own_prompts(path))
    config = EncoderConfig(str(path), shared=folder.query == folder.key)
    return TrainedEncoder(TextEncoder(config), {}, folder.sides)


def trained_tasks(path: Path | str) -> list[str]:
    """Names of the tasks that a checkpoint or an exported directory was trained on; none for models of others.

    Raises:
        DataError: It is damaged, or a file that is no checkpoint.
    """
    with _described(path) as (description, _):
        return list(description["tasks"])


def trained_data(path: Path | str) -> dict[str, Any]:
    """What a checkpoint or an exported directory was trained on, by task and data set; nothing for models of others.

    Raises:
        DataError: It is damaged, or a file that is no checkpoint.
    """
    with _described(path) as (_, about):
        return dict(about.get("data", {}))


def keys_stayed(path: Path | str) -> bool:
    """Whether a checkpoint or an exported directory was trained query-only: its keys are those of its base encoder.

    Raises:
        DataError: It is damaged, or a file that is no checkpoint.
    """
    with _described(path) as (description, _):
        return bool(description.get("key_fingerprints"))


@contextmanager
def _described(path: Path | str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """What a model says of itself, and of what made it; what is missing there is damage."""
    path = existing(path)
    if path.is_file():
        description = read_checkpoint(path)[CHECKPOINT_KEY]
        with _damage_named(path):
            yield description, description["about"]
        return
    file = path / "embedder.json"
    with _damage_named(file):
        description = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"tasks": ()}
        yield description, description


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
    try:
        yield
    except (DataError, MissingExtraError):
        raise
    except ConfigError as error:
        raise DataError(path, None, f"its encoder cannot be loaded: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise DataError(path, None, f"a damaged description or damaged weights ({reason(error)})") from error
