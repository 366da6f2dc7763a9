"""The weights of the moment as one file, for a process that encodes with them while training goes on."""

from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_model

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder


def encoder_of_snapshot(config: EncoderConfig, device: str, path: Path) -> TextEncoder:
    """An encoder with the weights of a snapshot.

    Args:
        config: Of the encoder that is being trained.
        device: Where it runs.
        path: A file of `safetensors.torch.save_model`.
    """
    encoder = TextEncoder(replace(config, device=device))
    load_model(encoder, path)
    return encoder
