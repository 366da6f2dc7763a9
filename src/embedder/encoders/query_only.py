"""Query-only training: the keys stay those of the base encoder, so that an index of them stays valid."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from embedder.encoders.encoder import TextEncoder
from embedder.encoders.key_side import key_fingerprints
from embedder.encoders.parts import folder_of
from embedder.errors import DataError
from embedder.types import Reading, TaskSides


def deployed_keys(encoder: TextEncoder, tasks: Iterable[str]) -> dict[str, Reading]:
    """How the index of the base encoder reads the keys of each task.

    An export of this project says so itself for each of its tasks; any other folder has one prompt and one length.
    `encoder.key_instruction` names an instruction that the folder does not know of.
    """
    folder, named = folder_of(encoder.config), encoder.config.key_instruction
    own = Reading("key", folder.sides.key_instruction if named is None else named, folder.key.max_length)
    readings = {task: folder.tasks[task].key if named is None and task in folder.tasks else own for task in tasks}
    return {task: replace(one, max_length=encoder.length(one.max_length)) for task, one in readings.items()}


def check_keys(encoder: TextEncoder, readings: Mapping[str, Reading], expected: Mapping[str, str], where: Path) -> None:
    """Refuse a model whose keys have not the fingerprints of the base encoder that it was trained from, query-only.

    Raises:
        DataError: Weights, tokenizer, pooling, dimension, instruction or length of its keys are others.
    """
    found = key_fingerprints(encoder, {name: readings[name] for name in expected})
    if changed := [name for name in expected if found[name] != expected[name]]:
        name = changed[0]
        both = f"fingerprint {found[name][:12]}, expected {expected[name][:12]}"
        what = f"the keys of {name} are not those of the base encoder ({both}), so that its index cannot be searched"
        raise DataError(where, None, what)


def check_export(
    encoder: TextEncoder, tasks: Mapping[str, TaskSides], expected: Mapping[str, str], directory: Path
) -> None:
    """Read the base encoder and what was just written from disk, and compare the keys of both with those expected.

    Raises:
        DataError: They differ.
    """
    folder = folder_of(encoder.config)
    alone: dict[str, Any] = {"trainable": "both", "key_instruction": None, "lora": None}
    base = TextEncoder(replace(encoder.config, shared=folder.query == folder.key, **alone))
    check_keys(base, deployed_keys(encoder, tasks), expected, Path(encoder.config.name))
    del base
    here: dict[str, Any] = {"name": str(directory), "revision": None, "sha256": None, "attention": "auto"}
    written = TextEncoder(replace(encoder.config, **alone, **here, shared=False))
    check_keys(written, {name: sides.key for name, sides in tasks.items()}, expected, directory)
