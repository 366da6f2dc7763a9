"""The linear layers of a model folder between the pooling and the vector."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from embedder.encoders.config import EncoderConfig
from embedder.errors import ConfigError
from embedder.models.loading import loading


def load_head(paths: Sequence[Path], config: EncoderConfig, trained: Mapping[str, Any] | None) -> torch.nn.Sequential:
    """The linear layers of a folder behind the pooling; that which only cuts vectors of an export is left out.

    Args:
        paths: Folders of the layers, in their order.
        config: Settings of the encoder.
        trained: How an export of ours was trained; None for a model of others.

    Raises:
        ConfigError: A layer cannot be loaded, or has weights that are NaN or infinite.
    """
    layers: list[Any] = []
    if paths:
        from sentence_transformers.sentence_transformer.modules import Dense

        for path in paths:
            with loading("encoder.name", config.name, f"a model whose {path.name}"):
                layers.append(Dense.load(str(path.parent), subfolder=path.name))
            if broken := [name for name, weight in layers[-1].named_parameters() if not weight.isfinite().all()]:
                expected = f"a model whose weights are numbers ({path.name}: {broken[0]} is not)"
                raise ConfigError("encoder.name", expected, config.name)
        if trained is not None and trained.get("dimension") is not None and _only_cuts(layers[-1]):
            layers.pop()
    head = torch.nn.Sequential(*layers).to(getattr(torch, config.dtype))
    return head.requires_grad_(config.lora is None)


def _only_cuts(layer: Any) -> bool:
    weight = layer.linear.weight
    return layer.linear.bias is None and torch.equal(weight, torch.eye(*weight.shape, dtype=weight.dtype))
