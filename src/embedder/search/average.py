"""The average of several encoders' weights: one encoder of specialists, or a trained one drawn back to its base."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from embedder.encoders.checkpoint import existing, load_trained, training_of
from embedder.encoders.checkpoint_file import CHECKPOINT_KEY, read_checkpoint
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import base_of, check_whole, export
from embedder.encoders.sentence_files import DESCRIPTION, read_json
from embedder.errors import ConfigError, DataError
from embedder.search.folder import check_free
from embedder.types import TaskSides

BASE = "base"
"""Stands for the encoder that the first export began with."""


def average(sources: Sequence[Path | str], weights: Sequence[float] | None, folder: Path | str) -> Path:
    """Write the weighted mean of the weights of encoders as a new export, with the tasks of all of them.

    Encoders that were trained from the same base lie close enough together for the mean to be one that works: it keeps
    most of what each has learned, and a share of the base encoder gives back what training took from other data.

    Source: Wortsman et al., "Model soups", ICML 2022, section 3; of one model and its base, "Robust fine-tuning of
    zero-shot models", CVPR 2022, section 3.

    Example:
        ```python
        average(["tools/export", "base"], [0.7, 0.3], "export")
        average(["checkpoints/last.ckpt", "base"], [0.5, 0.5], "export")  # can help where the last weights alone harm
        ```

    Args:
        sources: Exports and checkpoints of this project, and `base`, the encoder that the first of them began with. An
            encoder that was trained from an export began with what that export began with.
        weights: The share of each; they sum to 1. None for equal shares.
        folder: Where to write; an older export is replaced.

    Raises:
        ConfigError: Sources and weights do not fit together, or two of them read a task differently.
        DataError: A source is damaged, began with another base, or has other weights or another vocabulary.
    """
    shares = _shares(sources, weights)
    trained = [existing(source) for source in sources if source != BASE]
    if not trained:
        raise ConfigError("SOURCE", "an export or a checkpoint, beside base", list(map(str, sources)))
    check_free(Path(folder), DESCRIPTION, "the folder of an export")
    described, *rest = map(_described, trained)
    for description, path in zip(rest, trained[1:], strict=True):
        _check_base(described["base"], description["base"], path)
    tasks: dict[str, TaskSides] = {}
    data: dict[str, Any] = {}

    def part(source: Path | str) -> TextEncoder:
        return _base_of(described) if source == BASE else _encoder_of(Path(source), tasks, data)

    mean = part(sources[0])
    total = {name: shares[0] * values for name, values in _doubles(mean).items()}
    for source, share in zip(sources[1:], shares[1:], strict=True):  # one after the other, for the memory of two
        other = part(source)
        _check_alike(mean, other, source)
        for name, values in _doubles(other).items():
            total[name] += share * values
    mean.load_state_dict({name: value.to(mean.state_dict()[name].dtype) for name, value in total.items()}, strict=False)
    parts = [[_shown(source), share] for source, share in zip(sources, shares, strict=True)]
    # What it is, not where its parts lay: the base and the settings of the encoder are those of the first export.
    about = {"base": described["base"], "encoder": described["encoder"], "data": data, "average": parts}
    return export(mean.eval(), tasks, Path(folder), about)


def _shares(sources: Sequence[Path | str], weights: Sequence[float] | None) -> list[float]:
    if len(sources) < 2:
        raise ConfigError("SOURCE", "two or more encoders", list(map(str, sources)))
    shares = [1 / len(sources)] * len(sources) if weights is None else list(weights)
    if len(shares) != len(sources) or not abs(sum(shares) - 1) < 1e-6:
        raise ConfigError("--weights", f"{len(sources)} numbers, one for each encoder, whose sum is 1", shares)
    return shares


def _described(path: Path) -> dict[str, Any]:
    """What an export or a checkpoint says of its `encoder`, and the `base` that this began with."""
    if not path.is_file():
        check_whole(path)
        return read_json(path / DESCRIPTION)
    description: dict[str, Any] = read_checkpoint(path)[CHECKPOINT_KEY]
    return {**description, "base": base_of(EncoderConfig(**description["encoder"]))}


def _encoder_of(path: Path, tasks: dict[str, TaskSides], data: dict[str, Any]) -> TextEncoder:
    """The encoder of an export, whose tasks and data are added to those of the others."""
    trained = load_trained(path)
    if not isinstance(trained.encoder, TextEncoder):
        raise DataError(path, None, "not an export of this project")
    if trained.encoder.query_only:
        raise DataError(
            path, None, "only its queries were trained, and its keys have to stay those of its base, bit by bit"
        )
    for name, sides in trained.tasks.items():
        if tasks.setdefault(name, sides) != sides:
            raise ConfigError("SOURCE", f"encoders that read {name} as {tasks[name]}", f"{sides} of {path}")
    for name, protocol in training_of(path).data.items():
        known = name if data.get(name, protocol) == protocol else f"{name} of {_shown(path)}"
        data[known] = protocol
    return trained.encoder


def _base_of(description: Mapping[str, Any]) -> TextEncoder:
    """The encoder that training began with, without the adapters that training added."""
    base = {"name": description["base"]["name"], "revision": description["base"]["revision"], "sha256": None}
    encoder = TextEncoder(replace(EncoderConfig(**description["encoder"]), **base, lora=None, device="auto"))
    _check_base(description["base"], base_of(encoder.config), Path(encoder.config.name))
    return encoder


def _check_base(first: Mapping[str, Any], other: Mapping[str, Any], path: Path) -> None:
    """Refuse weights of another start: only those of one start lie close enough together for a mean."""
    if first["fingerprint"] != other["fingerprint"]:
        began = f"{other['name']} ({other['fingerprint']})"
        raise DataError(path, None, f"begins with {began}, and the first export began with {first['fingerprint']}")


def _check_alike(first: TextEncoder, other: TextEncoder, source: Path | str) -> None:
    """Refuse weights that do not stand for the same thing."""
    shapes = [{name: tuple(one.shape) for name, one in _doubles(encoder).items()} for encoder in (first, other)]
    if shapes[0] != shapes[1]:
        odd = sorted(name for name in {**shapes[0], **shapes[1]} if shapes[0].get(name) != shapes[1].get(name))[0]
        got = f"{odd} has the shape {shapes[1].get(odd)}, in the first one {shapes[0].get(odd)}"
        raise DataError(Path(source), None, f"other weights than the first encoder: {got}")
    for what in ("pooling", "bidirectional", "dimension"):
        if (got := getattr(other.config, what)) != (expected := getattr(first.config, what)):
            raise DataError(Path(source), None, f"{what} {got}, and the first encoder has {expected}")
    if first.tokenizer.get_vocab() != other.tokenizer.get_vocab():
        raise DataError(Path(source), None, "another vocabulary than the first encoder")


def _doubles(encoder: TextEncoder) -> dict[str, torch.Tensor]:
    """The weights, in float64 so that the order of summing does not show."""
    return {name: one.double() for name, one in encoder.state_dict().items() if one.is_floating_point()}


def _shown(source: Path | str) -> str:
    """A source without the folders of the machine that it lay on."""
    path = Path(source)
    return f"{path.parent.name}/{path.name}" if path.name == "export" else path.name
