"""Load a trained encoder with its instructions, from a training checkpoint or an exported directory."""

import json
import logging
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import check_probes, probe_vectors
from embedder.encoders.sentence_encoder import SentenceTransformerEncoder
from embedder.encoders.sentence_folder import OtherModulesError, read_folder
from embedder.errors import ConfigError, DataError, MissingExtraError
from embedder.files import DIGESTS, damage, damage_of_archive
from embedder.models.loading import reason
from embedder.shown import shown_names
from embedder.types import Encoder, TaskSides

logger = logging.getLogger(__name__)

CHECKPOINT_KEY = "embedder"
"""Where a training checkpoint keeps the description of its encoder."""
_DESCRIPTION = {"encoder": dict, "tasks": dict, "about": dict, "probes": list, "probe_vectors": list}
_TO_GO_ON = {"optimizer_states": list, "lr_schedulers": list, "loops": dict, "callbacks": dict, "global_step": int}


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
    checkpoint = read_checkpoint(Path(path))
    _check_parts(checkpoint, _TO_GO_ON, Path(path))
    before = checkpoint[CHECKPOINT_KEY]["about"]
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
        ConfigError: A model of others has what cannot be had here.
    """
    path = existing(path)
    if path.is_file():
        return _from_checkpoint(path)
    if (path / "embedder.json").is_file():
        if (path / DIGESTS).is_file() and (wrong := damage(path)) is not None:
            advice = f"export it anew; if it was changed on purpose, delete {DIGESTS} there"
            raise DataError(path, None, f"{wrong}: {advice}")
        with _damage_named(path / "embedder.json"):
            description = json.loads((path / "embedder.json").read_text(encoding="utf-8"))
            encoder = TextEncoder(_exported_config(description, path))
            return _checked(encoder, description, path)
    if (path / "modules.json").is_file():
        return _of_others(path)
    what = "neither a checkpoint file nor a sentence-transformers directory" if path.exists() else "is not there"
    raise DataError(path, None, f"{what} (checkpoint: a file *.ckpt, or a folder `export` of a run)")


def _of_others(path: Path) -> TrainedEncoder:
    try:
        said = read_folder(path, "checkpoint", str(path))
    except OtherModulesError as error:
        logger.info("%s is read by sentence-transformers itself: %s", path, error)
        other = SentenceTransformerEncoder(path)
        return TrainedEncoder(other, {}, other.sides)
    config = EncoderConfig(str(path), shared=said.query == said.key)
    return TrainedEncoder(TextEncoder(config), {}, said.sides)


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


def _exported_config(description: Mapping[str, Any], path: Path) -> EncoderConfig:
    """How an exported encoder is loaded: as it was trained, but for where it lies and what only training needs."""
    settings = description["encoder"] if description["format"] > 1 else {"pooling": description["pooling"]}
    here = {"name": str(path), "revision": None, "sha256": None, "device": "auto"}
    merged = {"lora": None, "gradient_checkpointing": False}
    return EncoderConfig(**{**settings, **here, **merged, "attention": "auto"})


def _from_checkpoint(path: Path) -> TrainedEncoder:
    checkpoint = read_checkpoint(path)
    description = checkpoint[CHECKPOINT_KEY]
    with _damage_named(path):
        encoder = TextEncoder(EncoderConfig(**description["encoder"]))
        load_weights(encoder, checkpoint, path)
        return _checked(encoder, description, path)


def load_weights(encoder: TextEncoder, checkpoint: Mapping[str, Any], path: Path) -> None:
    """Give an encoder the weights of a training checkpoint.

    Raises:
        DataError: Some are missing, too many, of another shape, or not numbers.
    """
    weights, own = encoder_weights(checkpoint), encoder.state_dict()
    if own.keys() != weights.keys():
        absent, unknown = own.keys() - weights.keys(), weights.keys() - own.keys()
        raise _other_weights(path, *(("missing", absent) if absent else ("unknown", unknown)))
    for problem, is_wrong in (
        ("no tensors", lambda name: not isinstance(weights[name], torch.Tensor)),
        ("of another shape or kind", lambda name: not _alike(weights[name], own[name])),
        ("not finite numbers", lambda name: not weights[name].isfinite().all()),
    ):
        if wrong := set(filter(is_wrong, own)):
            raise _other_weights(path, problem, wrong)
    encoder.load_state_dict(weights)


def _other_weights(path: Path, problem: str, names: Collection[str]) -> DataError:
    message = f"does not hold the weights of its encoder ({problem}: {shown_names(sorted(names))})"
    return DataError(path, None, message)


def encoder_weights(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of the encoder alone, by their names in it."""
    prefix = "encoder."
    return {n.removeprefix(prefix): value for n, value in checkpoint["state_dict"].items() if n.startswith(prefix)}


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.is_floating_point() == other.is_floating_point()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A training checkpoint, as tensors and plain values: no code in it is run. Weights are read where they are used.

    Raises:
        DataError: It is none, was damaged since it was written, or one of its parts is missing or of another kind.
    """
    if zipfile.is_zipfile(path) and (wrong := damage_of_archive(path)) is not None:
        raise DataError(path, None, f"a damaged checkpoint: {wrong}; use another one of the run")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, MemoryError) as error:
        raise DataError(path, None, f"cannot be read ({error})") from error
    except Exception as error:  # whatever bytes make of torch and of its reader of pickles
        raise DataError(path, None, "not a checkpoint: torch cannot read it") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(CHECKPOINT_KEY), dict):
        raise DataError(path, None, "not a checkpoint of this project (it does not describe its encoder)")
    _check_parts(checkpoint, {"state_dict": dict}, path)
    _check_parts(checkpoint[CHECKPOINT_KEY], _DESCRIPTION, path)
    return checkpoint


def _check_parts(some_dict: Mapping[str, Any], kinds: Mapping[str, type], path: Path) -> None:
    for name, kind in kinds.items():
        if not isinstance(some_dict.get(name), kind):
            got = "nothing" if name not in some_dict else type(some_dict[name]).__name__
            raise DataError(path, None, f"a damaged checkpoint: expected {name} as {kind.__name__}, got {got}")


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


def _checked(encoder: TextEncoder, description: Mapping[str, Any], path: Path) -> TrainedEncoder:
    check_probes(encoder, description, path)
    return TrainedEncoder(encoder, {name: TaskSides(**sides) for name, sides in description["tasks"].items()})
