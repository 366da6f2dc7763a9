"""Write the trained encoder as a sentence-transformers directory that knows its instructions."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedder.errors import DataError
from embedder.models.encoder import TextEncoder

PROBES = ("A lighthouse on the northern coast.", "who wrote it?", "{'api': 'weather', 'unit': 'C'}")
"""Fixed texts whose vectors travel with a model, so that a damaged or mismatched copy is noticed when it is loaded."""


@dataclass(frozen=True)
class TaskSides:
    """How the two sides of a task are encoded; lengths in tokens, instruction and special tokens included."""

    query_instruction: str
    key_instruction: str
    query_max_length: int
    key_max_length: int


def export(encoder: TextEncoder, tasks: Mapping[str, TaskSides], directory: Path, about: Mapping[str, Any]) -> Path:
    """Write a directory that `SentenceTransformer(directory)` loads, with prompts `<task>_query` and `<task>_key`.

    The first task is also what `encode_query()` and `encode_document()` use (prompts `query` and `document`). A
    sentence-transformers model has one length for both sides: the longest of all. The directory appears whole or not at
    all; an older one is replaced.

    Args:
        encoder: The model.
        tasks: Its tasks; not empty.
        directory: Where to write.
        about: What made the model (data, rewards, versions), kept in `embedder.json`.

    Returns:
        The directory.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    temporary = directory.with_name(f".{directory.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    backbone = temporary / "backbone"
    encoder.backbone.save_pretrained(backbone, safe_serialization=True)
    encoder.tokenizer.save_pretrained(backbone)
    length = min(encoder.max_length, max(max(task.query_max_length, task.key_max_length) for task in tasks.values()))
    transformer = Transformer(str(backbone), max_seq_length=length)
    pooling = Pooling(
        encoder.dimension, pooling_mode={"last": "lasttoken"}.get(encoder.config.pooling, encoder.config.pooling)
    )
    default = next(iter(tasks.values()))
    prompts = {"query": default.query_instruction, "document": default.key_instruction}
    for name, task in tasks.items():
        prompts |= {f"{name}_query": task.query_instruction, f"{name}_key": task.key_instruction}
    model = SentenceTransformer(modules=[transformer, pooling, Normalize()], prompts=prompts, device="cpu")
    model.save(str(temporary / "model"), create_model_card=False)
    description = {
        "format": 1,
        "base": encoder.config.name,
        "pooling": encoder.config.pooling,
        "tasks": {name: vars(task) for name, task in tasks.items()},
        "probes": list(PROBES),
        "probe_vectors": encoder.encode(PROBES).tolist(),
        **about,
    }
    (temporary / "model" / "embedder.json").write_text(json.dumps(description, indent=1), encoding="utf-8")
    shutil.rmtree(directory, ignore_errors=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    (temporary / "model").replace(directory)
    shutil.rmtree(temporary)
    return directory


def check_probes(encoder: TextEncoder, description: Mapping[str, Any], path: Path, tolerance: float = 1e-3) -> None:
    """Refuse a model whose vectors of the probe texts are not those that were written with it."""
    expected = np.array(description["probe_vectors"], dtype=np.float32)  # [P, D]
    difference = float(np.abs(encoder.encode(description["probes"]) - expected).max())
    if difference > tolerance:
        raise DataError(
            path, None, f"the vectors of its probe texts differ by {difference:.1e} from those stored with it"
        )
