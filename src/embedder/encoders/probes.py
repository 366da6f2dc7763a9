"""Vectors of fixed texts are stored with a model, so that loading notices a damaged or mismatched copy."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from embedder.encoders.encoder import TextEncoder
from embedder.encoders.key_side import key_fingerprints
from embedder.errors import DataError
from embedder.types import Reading, TaskSides

PROBES = ("A lighthouse on the northern coast.", "who wrote it?", "{'api': 'weather', 'unit': 'C'}")


def description_of(encoder: TextEncoder, tasks: Mapping[str, TaskSides], keys: str | None = None) -> dict[str, Any]:
    """What a model says of itself, as plain values: its settings, its tasks, and vectors of the fixed texts.

    These are plain, and as query and key of every task, so that a changed instruction shows. Of a model whose keys are
    those of its base encoder, also the fingerprint of the keys of every task; `keys` is `key_fingerprint` where it is
    known already, because it takes seconds for a model of gigabytes.
    """
    readings = {name: sides.key for name, sides in tasks.items()}
    return {
        **({"key_fingerprints": key_fingerprints(encoder, readings, keys)} if encoder.query_only else {}),
        "encoder": asdict(encoder.config),
        "tasks": {name: asdict(sides) for name, sides in tasks.items()},
        "probes": list(PROBES),
        "probe_vectors": encoder.encode(PROBES, _plain(encoder)).tolist(),
        "probe_sides": {name: _side_vectors(encoder, sides, PROBES) for name, sides in tasks.items()},
    }


def check_probes(encoder: TextEncoder, description: Mapping[str, Any], path: Path) -> None:
    """Refuse a model whose vectors of the probe texts are not those that were written with it.

    They may differ by 1e-3 from machine to machine; in bfloat16, where merging adapters rounds to three digits, by a
    fifth of the usual size of a number in a unit vector.

    Raises:
        DataError: Weights, pooling, an instruction or a length differ from what was saved.
    """
    probes = description["probes"]
    pairs = {"the probe texts": (encoder.encode(probes, _plain(encoder)).tolist(), description["probe_vectors"])}
    for name, sides in description["tasks"].items():
        vectors = _side_vectors(encoder, TaskSides(**sides), probes)
        for side, expected in description["probe_sides"][name].items():
            pairs[f"the probe texts as {side} of {name}"] = (vectors[side], expected)
    tolerance = 1e-3 if encoder.config.dtype == "float32" else 0.2 / math.sqrt(encoder.dimension)
    for what, (vectors, expected) in pairs.items():
        difference = float(np.abs(np.array(vectors) - np.array(expected)).max())
        if difference > tolerance:
            raise DataError(path, None, f"the vectors of {what} differ by {difference:.1e} from those stored with it")


def _plain(encoder: TextEncoder) -> Reading:
    """In full: the usual length of an export is that of its tasks, which may be shorter than these texts."""
    return Reading("query", max_length=encoder.max_length)


def _side_vectors(encoder: TextEncoder, sides: TaskSides, probes: Sequence[str]) -> dict[str, list[list[float]]]:
    return {"query": encoder.encode(probes, sides.query).tolist(), "key": encoder.encode(probes, sides.key).tolist()}
