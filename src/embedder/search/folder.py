"""The folder of a retriever with its index and keys: written whole or not at all, and read without running code."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.data.jsonl import JsonLines
from embedder.digests import DIGESTS, damage
from embedder.encoders.checkpoint import TrainedEncoder, load_trained
from embedder.encoders.checkpoint_file import CHECKPOINT_KEY, read_checkpoint
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.encoders.sentence_files import DESCRIPTION
from embedder.errors import ConfigError, DataError
from embedder.files import whole_folder, write_atomically
from embedder.index.faiss_index import FaissIndex
from embedder.replaced import State, state_of

MODEL, _INDEX, _KEYS, _ABOUT = "model", "index.faiss", "keys.jsonl", "retriever.json"
_FORMAT = 1
_NOT_READ = shutil.ignore_patterns("*.bin", "*.pkl", "*.pt", "*.h5", "*.msgpack", "onnx", "openvino", ".git", ".cache")
"""Other forms of the weights in a model's folder: only safetensors are read."""


@dataclass(frozen=True)
class Saved:
    """What lies beside the encoder.

    Args:
        task: That keys were encoded for; None for a model of others.
        keys: Each with `text` and what else was given, in the order of the index.
        index: Of their vectors.
    """

    task: str | None
    keys: Sequence[Mapping[str, Any]] | JsonLines
    index: FaissIndex


def is_saved(folder: Path) -> bool:
    """Whether a folder is one of a retriever with its index."""
    return (folder / _ABOUT).is_file()


def read_saved(folder: Path) -> Saved:
    """The index and the keys of a saved retriever; keys stay on disk and are read as they are found.

    Raises:
        DataError: A file was damaged since it was written, or the folder is of another version.
    """
    if not (folder / DIGESTS).is_file():
        raise DataError(folder, None, f"damaged: {DIGESTS} is missing")
    if (wrong := damage(folder)) is not None:
        raise DataError(folder, None, f"{wrong}: save the retriever again")
    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    if about["format"] != _FORMAT:
        raise DataError(folder / _ABOUT, None, f"format {about['format']!r}; this version reads the format {_FORMAT}")
    return Saved(about["task"], JsonLines(folder / _KEYS), FaissIndex.load(folder / _INDEX, mapped=True))


def write_saved(folder: Path, trained: TrainedEncoder, source: Path, state: State, saved: Saved) -> None:
    """Write a retriever.

    Args:
        folder: Where; an older one is replaced.
        trained: Its encoder.
        source: Where this was loaded from: a folder is copied, a checkpoint is exported.
        state: Of the source when it was loaded.
        saved: Index and keys.

    Raises:
        ConfigError: Another kind of folder or a file is there, or a key holds what JSON cannot.
        DataError: The source was replaced since.
    """
    check_writable(folder)
    with whole_folder(folder, replace=folder.exists()) as partial:
        if source.is_dir():
            shutil.copytree(source, partial / MODEL, ignore=_NOT_READ)
            if state_of(source) != state:  # looked at when all was copied
                why = "replaced after it was loaded, so that the keys have vectors of what lay there before"
                raise DataError(source, None, f"{why}: index them again")
        else:  # the weights that were loaded
            _export(trained, source, partial / MODEL)
        with (partial / _KEYS).open("w", encoding="utf-8") as file:
            file.writelines(f"{_line(saved.keys[number], number)}\n" for number in range(len(saved.keys)))
        saved.index.save(partial / _INDEX)
        about = {"format": _FORMAT, "task": saved.task, "keys": len(saved.keys)}
        write_atomically(partial / _ABOUT, json.dumps(about, indent=1))


def check_writable(folder: Path) -> None:
    """Whether a retriever can be saved there, before its keys are encoded.

    Raises:
        ConfigError: Another kind of folder or a file is there.
    """
    check_free(folder, _ABOUT, "the folder of a saved retriever")


def export_checkpoint(checkpoint: Path, folder: Path) -> Path:
    """Write the encoder of a checkpoint as a folder that sentence-transformers loads.

    Raises:
        ConfigError: It is no file, or another kind of folder lies where to write.
        DataError: The file is no checkpoint, or a damaged one.
    """
    if checkpoint.is_dir():
        raise ConfigError("checkpoint", "a file .ckpt; a folder is an export already", str(checkpoint))
    check_free(folder, DESCRIPTION, "the folder of an export")
    trained = load_trained(checkpoint)
    return _export(trained, checkpoint, folder)


def _export(trained: TrainedEncoder, checkpoint: Path, folder: Path) -> Path:
    if not isinstance(trained.encoder, TextEncoder):
        raise DataError(checkpoint, None, "not a checkpoint of this project")
    return export(trained.encoder, trained.tasks, folder, read_checkpoint(checkpoint)[CHECKPOINT_KEY]["about"])


def check_free(folder: Path, mark: str, kind: str) -> None:
    """Refuse to replace a folder of another kind.

    Args:
        folder: What would be replaced.
        mark: The file that a folder of the right kind has.
        kind: What such a folder is.

    Raises:
        ConfigError: A file, or a folder with files of another kind, is there.
    """
    if folder.is_dir() and ((folder / mark).is_file() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise ConfigError("the folder to write", f"a new one, or {kind}", str(folder))


def _line(row: Mapping[str, Any], number: int) -> str:
    try:
        return json.dumps(row, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"keys[{number}]", f"values that JSON can hold ({error})", row) from error
