"""Write the trained encoder as a sentence-transformers directory with its instructions as prompts."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from embedder.digests import DIGESTS, damage
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export_card import card, differences_of_long_texts
from embedder.encoders.parts import folder_of
from embedder.encoders.probes import description_of
from embedder.encoders.query_only import check_export
from embedder.encoders.sentence_files import DESCRIPTION, read_json
from embedder.encoders.sentence_form import write_json, write_modules
from embedder.errors import DataError
from embedder.files import whole_folder
from embedder.models.fingerprint import fingerprint_of
from embedder.types import Side, TaskSides

logger = logging.getLogger(__name__)

EXPORT_FORMAT = 2
"""Of the description, raised when an older version could not read it."""


def export(encoder: TextEncoder, tasks: Mapping[str, TaskSides], directory: Path, about: Mapping[str, Any]) -> Path:
    """Write a directory that `SentenceTransformer(directory)` loads, with prompts `<task>_query` and `<task>_key`.

    The first task is also what `encode_query()` and `encode_document()` use (prompts `query` and `document`). Texts are
    cut at the longest length that a task has, and their start is kept; where training read less or other parts of
    texts, `README.md` says so, and how to get its vectors. Adapters are merged into the weights.

    sentence-transformers opens it from version 4.1 on. Separate encoders become a `Router`, which needs version 5: it
    sends `encode_query()` and `encode_document()` to theirs, whatever prompt is named, and cuts each side at its own
    length. Plain `encode()` takes the encoder and the instruction for keys. The directory appears whole or not at all,
    with digests of its files; an older one is replaced. The same encoder, tasks and `about` give the same bytes.

    Example:
        ```python
        export(encoder, {"qa": TaskSides("query: ", "passage: ", query_max_length=64)}, Path("export"), about={})
        model = SentenceTransformer("export")
        model.encode_query(["who wrote it?"])  # reads "query: who wrote it?"
        ```

    Args:
        encoder: The model.
        tasks: Its tasks; not empty.
        directory: Where to write.
        about: What made the model (data, rewards, versions), kept in `embedder.json`; of it the card shows `data`,
            `scores` and `changes`.

    Returns:
        The directory.
    """
    with whole_folder(directory, replace=True) as partial:
        _write(encoder, tasks, partial, about)
    return directory


def check_whole(folder: Path) -> None:
    """Refuse what is no export, and an export that changed since it was written.

    Raises:
        DataError: It is one of these.
    """
    if not (folder / DESCRIPTION).is_file():
        raise DataError(folder, None, f"not an export (no {DESCRIPTION})")
    if (folder / DIGESTS).is_file() and (wrong := damage(folder)) is not None:
        raise DataError(folder, None, f"{wrong}: export it again; if it was changed on purpose, delete {DIGESTS} there")


def _write(encoder: TextEncoder, tasks: Mapping[str, TaskSides], directory: Path, about: Mapping[str, Any]) -> None:
    lengths = longest(encoder, tasks)
    write_modules(encoder, lengths, directory)
    default = next(iter(tasks.values()))
    prompts = {"query": default.query_instruction, "document": default.key_instruction}
    for name, task in tasks.items():
        prompts |= {f"{name}_query": task.query_instruction, f"{name}_key": task.key_instruction}
    # Plain `encode` is what frameworks call for documents, and it is the side that a Router takes for it.
    usual = "document" if default.key_instruction else None
    settings = {"prompts": prompts, "default_prompt_name": usual, "similarity_fn_name": "cosine"}
    write_json(directory / "config_sentence_transformers.json", settings)
    tasks = {name: _settled(encoder, sides) for name, sides in tasks.items()}
    described = description_of(encoder, tasks)
    own = {"base": base_of(encoder.config), "dimension": encoder.dimension, "lengths": lengths}
    description = {"format": EXPORT_FORMAT, **own, **described, **about}
    if encoder.query_only:
        check_export(encoder, tasks, description["key_fingerprints"], directory)
    write_json(directory / DESCRIPTION, description)
    differences = differences_of_long_texts(tasks, lengths)
    (directory / "README.md").write_text(card(description, differences), encoding="utf-8")
    if ends := [name for name, sides in tasks.items() if sides.query_keep == "end"]:
        told = "sentence-transformers reads the start of long queries, training their end (the export's README.md): %s"
        logger.warning(told, ", ".join(ends))
    _let_others_read(directory)


def base_of(config: EncoderConfig) -> dict[str, str | None]:
    """What an encoder that is trained with these settings began with: for one of our exports, what that began with."""
    trained_before = Path(config.name) / DESCRIPTION
    if trained_before.is_file():
        base: dict[str, str | None] = read_json(trained_before)["base"]
        return base
    fingerprint = fingerprint_of(folder_of(config).key.transformer, None, config.dtype)
    return {"name": config.name, "revision": config.revision, "fingerprint": fingerprint}


def _settled(encoder: TextEncoder, sides: TaskSides) -> TaskSides:
    """A task with the lengths that its texts are cut at, also where it leaves them to the encoder."""
    query, key = encoder.length(sides.query_max_length), encoder.length(sides.key_max_length)
    return replace(sides, query_max_length=query, key_max_length=key)


def _let_others_read(directory: Path) -> None:
    """Give every file the mode that this process gives to new files: weights are written for their owner alone."""
    mode = (directory / "README.md").stat().st_mode
    for path in directory.rglob("*"):
        if path.is_file():
            path.chmod(mode)


def longest(encoder: TextEncoder, tasks: Mapping[str, TaskSides]) -> dict[Side, int]:
    """The longest length that a task has for each side, in tokens; one encoder for both has one length for both."""
    query = max(encoder.length(task.query_max_length) for task in tasks.values())
    key = max(encoder.length(task.key_max_length) for task in tasks.values())
    if not encoder.has_two_sides:
        query = key = max(query, key)
    return {"query": query, "key": key}
