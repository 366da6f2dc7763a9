"""What the vectors of an encoder's keys depend on, as one fingerprint: of its contents, wherever they lie."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import torch

from embedder.encoders.encoder import TextEncoder
from embedder.errors import ConfigError
from embedder.types import Encoder, Reading

_ADAPTER = re.compile(r"(^base_model\.model\.|\.base_layer(?=\.))")  # what peft adds to a name
_OF_A_FILE = frozenset({"architectures", "dtype", "torch_dtype", "transformers_version", "use_cache", "name_or_path"})
"""Of the settings of a model: what says where it came from, or in which format it was stored."""


def key_fingerprint(encoder: TextEncoder) -> str:
    """SHA-256, in hexadecimal, of everything but the instruction and the length that the vectors of keys depend on.

    Equal for a base encoder, for one that was trained query-only from it, in whichever form, and for its export. The
    pooler of BERT, which gives no vector, does not count.
    """
    backbone, head = encoder.side("key")
    digest = hashlib.sha256()
    about = {
        "settings": _settings(backbone.config.to_dict()),
        "pooling": encoder.config.pooling,
        "dimension": encoder.dimension,
        "tokenizer": json.loads(encoder.tokenizer.backend_tokenizer.to_str()) | {"truncation": None, "padding": None},
    }
    digest.update(json.dumps(about, sort_keys=True, default=str).encode())
    weights = [*backbone.state_dict().items(), *(() if head is None else head.state_dict().items())]
    for name, tensor in sorted((_ADAPTER.sub("", name), tensor) for name, tensor in weights):
        if "lora_" in name or name.startswith("pooler."):
            continue
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def made_by_keys(encoder: TextEncoder, fingerprint: str, precision: str) -> dict[str, Any]:
    """What vectors of keys depend on that training leaves as they are: what training encodes, an evaluation reads.

    Args:
        encoder: What encodes them.
        fingerprint: See `key_fingerprint`.
        precision: `32-true`, `bf16-mixed`, ...
    """
    return {"keys": fingerprint, "pooling": encoder.config.pooling, "precision": precision}


def key_fingerprints(encoder: TextEncoder, readings: Mapping[str, Reading], keys: str | None = None) -> dict[str, str]:
    """`key_fingerprint` with instruction and length, of the keys of each task; `keys` is the former, where known."""
    keys = key_fingerprint(encoder) if keys is None else keys
    read = {name: [keys, reading.instruction, encoder.length(reading.max_length)] for name, reading in readings.items()}
    return {name: hashlib.sha256(json.dumps(values).encode()).hexdigest() for name, values in read.items()}


def keys_of(encoder: Encoder, reading: Reading) -> dict[str, Any]:
    """What the vectors of keys depend on, by name: `key_fingerprint`, instruction and length.

    Raises:
        ConfigError: The model is run by sentence-transformers itself, so that its contents are not known.
    """
    if not isinstance(encoder, TextEncoder):
        raise ConfigError("encoder", "a model of Transformer, Pooling and Dense", type(encoder).__name__)
    length = encoder.length(reading.max_length)
    return {"model": key_fingerprint(encoder)[:12], "instruction": reading.instruction, "max_length": length}


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    return {n: value for n, value in config.items() if n not in _OF_A_FILE and not n.startswith("_")}
