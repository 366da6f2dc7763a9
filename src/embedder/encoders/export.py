"""Write the trained encoder as a sentence-transformers directory with its instructions as prompts."""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export_read_me import differences_of_long_texts, read_me
from embedder.encoders.lora import merged
from embedder.encoders.probes import description_of
from embedder.files import whole_folder
from embedder.types import Side, TaskSides

logger = logging.getLogger(__name__)

EXPORT_FORMAT = 2
"""Of `embedder.json`, raised when an older version could not read it."""


def export(encoder: TextEncoder, tasks: Mapping[str, TaskSides], directory: Path, about: Mapping[str, Any]) -> Path:
    """Write a directory that `SentenceTransformer(directory)` loads, with prompts `<task>_query` and `<task>_key`.

    The first task is also what `encode_query()` and `encode_document()` use (prompts `query` and `document`). They cut
    queries and documents at the longest length that a task has for that side, plain `encode()` at the longest of all,
    and keep the start; where training read other parts of texts, the log and `README.md` say so, and how to get its
    vectors. Adapters are merged into the weights.

    Separate encoders become a `Router`, which sends `encode_query()` and `encode_document()` to theirs, whatever prompt
    is named; plain `encode()` takes the one for keys. The directory appears whole or not at all, with digests of its
    files; an older one is replaced.

    Example:
        ```python
        export(encoder, {"qa": TaskSides("query: ", "passage: ", query_max_length=64)}, Path("export"), about={})
        model = SentenceTransformer("export")
        model.encode_query(["who wrote it?"])  # reads "query: who wrote it?", at most 64 tokens
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
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Router

    parts = directory / "parts"  # what the modules are read from
    lengths = longest(encoder, tasks)
    modules = [*_pooled(encoder, encoder.backbone, parts / "query", lengths), *encoder.head]
    if encoder.key_backbone is not None:
        keys = [*_pooled(encoder, encoder.key_backbone, parts / "key", lengths), *(encoder.key_head or ())]
        modules = [Router.for_query_document(modules, keys)]
    default = next(iter(tasks.values()))
    prompts = {"query": default.query_instruction, "document": default.key_instruction}
    for name, task in tasks.items():
        prompts |= {f"{name}_query": task.query_instruction, f"{name}_key": task.key_instruction}
    model = SentenceTransformer(modules=[*modules, *_cut(encoder), Normalize()], prompts=prompts, device="cpu")
    model.save(str(directory), create_model_card=False)
    shutil.rmtree(parts)
    description = {
        "format": EXPORT_FORMAT,
        **description_of(encoder, tasks),
        **about,
    }
    (directory / "embedder.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
    differences = differences_of_long_texts(tasks, lengths)
    (directory / "README.md").write_text(read_me(tasks, differences), encoding="utf-8")
    for difference in differences:
        logger.warning("sentence-transformers reads long texts of the export differently from training: %s", difference)


def longest(encoder: TextEncoder, tasks: Mapping[str, TaskSides]) -> dict[Side, int]:
    """The longest length that a task has for each side, in tokens."""
    queries = [encoder.length(task.query_max_length) for task in tasks.values()]
    return {"query": max(queries), "key": max(encoder.length(task.key_max_length) for task in tasks.values())}


def _pooled(encoder: TextEncoder, backbone: Any, directory: Path, lengths: Mapping[Side, int]) -> list[Any]:
    """A backbone with its adapters merged, and its pooling, as sentence-transformers modules."""
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    whole = backbone if encoder.config.lora is None else merged(backbone)
    whole.save_pretrained(directory, safe_serialization=True)
    encoder.tokenizer.save_pretrained(directory)
    pooling = {"last": "lasttoken"}.get(str(encoder.config.pooling), str(encoder.config.pooling))
    size = backbone.config.hidden_size
    transformer = Transformer(
        str(directory),
        max_seq_length=max(lengths.values()),
        query_length=lengths["query"],
        document_length=lengths["key"],
    )
    return [transformer, Pooling(size, pooling_mode=pooling)]


def _cut(encoder: TextEncoder) -> list[Any]:
    """What cuts vectors before they are normalised, if they are cut: the first rows of a unit matrix.

    sentence-transformers has `truncate_dim` for it, which is not saved and leaves vectors shorter than 1.
    """
    from sentence_transformers.sentence_transformer.modules import Dense

    size = encoder.whole_dimension
    if encoder.dimension == size:
        return []
    first = torch.eye(encoder.dimension, size, dtype=encoder.backbone.dtype)
    return [Dense(size, encoder.dimension, bias=False, activation_function=None, init_weight=first)]
