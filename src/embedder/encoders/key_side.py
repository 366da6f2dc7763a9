"""What the vectors of an encoder's keys depend on, as one fingerprint: of its contents, wherever they lie."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.distributed.tensor import DTensor

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
    for name, tensor in sorted((*_weights(backbone), *_weights(head))):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def key_fingerprints(encoder: TextEncoder, readings: Mapping[str, Reading]) -> dict[str, str]:
    """The same with the instruction and the length, for each task."""
    contents = key_fingerprint(encoder)
    return {name: _read_with(contents, encoder, reading) for name, reading in readings.items()}


def keys_of(encoder: Encoder, reading: Reading) -> str:
    """The same for one reading.

    Raises:
        ConfigError: The model is run by sentence-transformers itself, so that its contents are not known.
    """
    if not isinstance(encoder, TextEncoder):
        raise ConfigError("encoder", "a model of Transformer, Pooling and Dense", type(encoder).__name__)
    return _read_with(key_fingerprint(encoder), encoder, reading)


def _read_with(contents: str, encoder: TextEncoder, reading: Reading) -> str:
    read = [contents, reading.instruction, encoder.length(reading.max_length)]
    return hashlib.sha256(json.dumps(read).encode()).hexdigest()


def _weights(module: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if module is None:
        return
    for name, tensor in module.state_dict().items():
        plain = _ADAPTER.sub("", name)
        if "lora_" not in plain and not plain.startswith("pooler."):
            # With FSDP2 each process has a part, and all of them describe a checkpoint together.
            yield plain, tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    return {n: value for n, value in config.items() if n not in _OF_A_FILE and not n.startswith("_")}
