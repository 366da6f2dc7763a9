"""Write the trained encoder as a sentence-transformers directory with its instructions as prompts."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export_read_me import differences_of_long_texts, read_me
from embedder.encoders.probes import description_of
from embedder.encoders.query_only import check_export
from embedder.encoders.sentence_form import write_json, write_modules
from embedder.files import whole_folder
from embedder.types import Side, TaskSides

logger = logging.getLogger(__name__)

EXPORT_FORMAT = 2
"""Of `embedder.json`, raised when an older version could not read it."""


def export(encoder: TextEncoder, tasks: Mapping[str, TaskSides], directory: Path, about: Mapping[str, Any]) -> Path:
    """Write a directory that `SentenceTransformer(directory)` loads, with prompts `<task>_query` and `<task>_key`.

    The first task is also what `encode_query()` and `encode_document()` use (prompts `query` and `document`). Texts are
    cut at the longest length that a task has, and their start is kept; where training read other parts of texts, the
    log and `README.md` say so, and how to get its vectors. Adapters are merged into the weights.

    sentence-transformers opens it from version 4.1 on. Separate encoders become a `Router`, which needs version 5: it
    sends `encode_query()` and `encode_document()` to theirs, whatever prompt is named, and cuts each side at its own
    length; plain `encode()` takes the one for keys. The directory appears whole or not at all, with digests of its
    files; an older one is replaced.

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
        about: What made the model (data, rewards, versions), kept in `embedder.json`.

    Returns:
        The directory.
    """
    with whole_folder(directory, replace=True) as partial:
        _write(encoder, tasks, partial, about)
    return directory


def _write(encoder: TextEncoder, tasks: Mapping[str, TaskSides], directory: Path, about: Mapping[str, Any]) -> None:
    lengths = longest(encoder, tasks)
    write_modules(encoder, lengths, directory)
    default = next(iter(tasks.values()))
    prompts = {"query": default.query_instruction, "document": default.key_instruction}
    for name, task in tasks.items():
        prompts |= {f"{name}_query": task.query_instruction, f"{name}_key": task.key_instruction}
    settings = {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    write_json(directory / "config_sentence_transformers.json", settings)
    description = {"format": EXPORT_FORMAT, **description_of(encoder, tasks), **about}
    if encoder.query_only:
        check_export(encoder, tasks, description["key_fingerprints"], directory)
    write_json(directory / "embedder.json", description)
    differences = differences_of_long_texts(tasks, lengths)
    (directory / "README.md").write_text(read_me(tasks, differences), encoding="utf-8")
    for difference in differences:
        logger.warning("sentence-transformers reads long texts of the export differently from training: %s", difference)
    _let_others_read(directory)


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
