"""The file of a training checkpoint: read without running code in it, and refused where it is damaged or another."""

import zipfile
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model

from embedder.digests import damage_of_archive
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.errors import DataError, lacks_memory
from embedder.shown import shown_names

CHECKPOINT_KEY = "embedder"
"""Where a training checkpoint keeps the description of its encoder."""
_DESCRIPTION = {"encoder": dict, "tasks": dict, "about": dict, "probes": list, "probe_vectors": list}
_TO_GO_ON = {"optimizer_states": list, "lr_schedulers": list, "loops": dict, "callbacks": dict, "global_step": int}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A training checkpoint, as tensors and plain values: no code in it is run. Weights are read where they are used.

    Raises:
        DataError: The file is no checkpoint, was damaged since it was written, or lacks a part or has one of another
            kind.
    """
    if zipfile.is_zipfile(path) and (wrong := damage_of_archive(path)) is not None:
        raise DataError(path, None, f"a damaged checkpoint: {wrong}; use another one of the run")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except OSError as error:
        raise DataError(path, None, f"cannot be read ({error})") from error
    except Exception as error:  # whatever bytes make of torch and of its reader of pickles
        if lacks_memory(error):
            raise
        raise DataError(path, None, "not a checkpoint: torch cannot read it") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(CHECKPOINT_KEY), dict):
        raise DataError(path, None, "not a checkpoint of this project (it does not describe its encoder)")
    _check_parts(checkpoint, {"state_dict": dict}, path)
    _check_parts(checkpoint[CHECKPOINT_KEY], _DESCRIPTION, path)
    return checkpoint


def _check_parts(parts: Mapping[str, Any], kinds: Mapping[str, type], path: Path) -> None:
    for name, kind in kinds.items():
        if not isinstance(parts.get(name), kind):
            got = "nothing" if name not in parts else type(parts[name]).__name__
            raise DataError(path, None, f"a damaged checkpoint: expected {name} as {kind.__name__}, got {got}")


def check_continues(path: Path | str, about: Mapping[str, Any]) -> None:
    """Refuse to resume from a checkpoint of other data, another batch plan or other settings of training.

    Raises:
        DataError: It is no checkpoint of this project, or something that decides what a step does differs.
    """
    checkpoint = read_checkpoint(Path(path))
    _check_parts(checkpoint, _TO_GO_ON, Path(path))
    before = checkpoint[CHECKPOINT_KEY]["about"]
    for part in about:
        if before.get(part) != about[part]:
            names = sorted({*before.get(part, {}), *about[part]})
            changed = [name for name in names if before.get(part, {}).get(name) != about[part].get(name)]
            raise DataError(
                path,
                None,
                f"was trained with other {part} ({', '.join(changed)}); to start from its weights with new settings, "
                "export it and name the folder as encoder.name",
            )


def load_weights(encoder: TextEncoder, checkpoint: Mapping[str, Any], path: Path) -> None:
    """Give an encoder the weights of a training checkpoint.

    Raises:
        DataError: Some are missing, too many, of another shape, or not numbers.
    """
    weights, own = encoder_weights(checkpoint), encoder.state_dict()
    if own.keys() != weights.keys():
        absent, unknown = own.keys() - weights.keys(), weights.keys() - own.keys()
        raise _other_weights(path, *(("missing", absent) if absent else ("unknown", unknown)))
    for problem, is_wrong in (
        ("no tensors", lambda name: not isinstance(weights[name], torch.Tensor)),
        ("of another shape or kind", lambda name: not _alike(weights[name], own[name])),
        ("not finite numbers", lambda name: not weights[name].isfinite().all()),
    ):
        if wrong := set(filter(is_wrong, own)):
            raise _other_weights(path, problem, wrong)
    encoder.load_state_dict(weights)


def _other_weights(path: Path, problem: str, names: Collection[str]) -> DataError:
    message = f"does not hold the weights of its encoder ({problem}: {shown_names(sorted(names))})"
    return DataError(path, None, message)


def encoder_of_snapshot(config: EncoderConfig, device: str, path: Path) -> TextEncoder:
    """An encoder with the weights of a file that `safetensors.torch.save_model` wrote while it was trained."""
    encoder = TextEncoder(replace(config, device=device))
    load_model(encoder, path)
    return encoder


def encoder_weights(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of the encoder alone, by their names in it."""
    prefix = "encoder."
    return {n.removeprefix(prefix): value for n, value in checkpoint["state_dict"].items() if n.startswith(prefix)}


def _alike(first: torch.Tensor, second: torch.Tensor) -> bool:
    return first.shape == second.shape and first.is_floating_point() == second.is_floating_point()
