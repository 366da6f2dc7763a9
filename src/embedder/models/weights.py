"""Load a model with all the weights of its folder and no others, or say what is wrong with them."""

import json
import logging
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from embedder.errors import ConfigError
from embedder.models.loading import loading
from embedder.shown import shown_names

_POOLER = re.compile(r"^pooler\.")  # BERT's own, which gives no vector here
_LAYER = re.compile(r"^(.*?)\.(\d+)\.")
_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})


def load_weights(auto: Any, folder: Path, setting: str, name: str, what: str, **settings: Any) -> Any:
    """A model with all the weights of a folder.

    Args:
        auto: A class of transformers with `from_pretrained`.
        folder: Where `config.json` and safetensors lie.
        setting: What names the folder.
        name: Its value.
        what: What is loaded, such as `a causal LM`.
        settings: For `from_pretrained`.

    Raises:
        ConfigError: Weights are missing, too many, of another kind or shape, NaN or infinite; transformers would
            fill missing ones with random numbers.
        ImportError: An attention that `settings` ask for is not installed.
    """
    with loading(setting, name, what, unless=(ImportError,)), _quiet():
        check_kinds(folder, setting, name, what)
        model, report = auto.from_pretrained(
            folder,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # their names are in the error below
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            **settings,
        )
    missing = sorted(key for key in report["missing_keys"] if not _POOLER.match(key))
    shapes = sorted(str(key[0] if isinstance(key, tuple) else key) for key in report.get("mismatched_keys") or ())
    layers = _unknown_layers(model, report["unexpected_keys"])
    for problem, names in (("missing", missing), ("of another shape", shapes), ("of layers that it lacks", layers)):
        if names:
            expected = f"{what} with its weights, all and no others ({problem}: {shown_names(names)})"
            raise ConfigError(setting, expected, name)
    broken = sorted(key for key, weight in model.named_parameters() if not _is_finite(weight))
    if broken:
        raise ConfigError(setting, f"{what} whose weights are numbers (NaN or infinite: {shown_names(broken)})", name)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the table that transformers logs of weights that do not fit: an error names them, or they do no harm."""
    logger = logging.getLogger("transformers")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def check_kinds(folder: Path, setting: str, name: str, what: str) -> None:
    """Whole files, and matrices of floating-point numbers: others would be read as if they were.

    Settings that name a quantisation say how others are read.

    Raises:
        ConfigError: A file is damaged, or holds matrices of other numbers.
    """
    from safetensors import SafetensorError, safe_open

    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                kinds = {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118  # no dictionary
        except SafetensorError as error:
            raise ConfigError(setting, f"{what} that can be loaded ({path.name} is damaged: {error})", name) from error
        if "quantization_config" in settings:
            continue
        if other := sorted(key for key, kind in kinds.items() if key.endswith(".weight") and kind not in _FLOATS):
            found = f"{kinds[other[0]]} in {path.name}: {shown_names(other)}"
            raise ConfigError(setting, f"{what} with weights in {sorted(_FLOATS)} ({found})", name)


def _unknown_layers(model: Any, unexpected: Sequence[str]) -> list[str]:
    """Weights of layers beyond those of a model whose settings say that it has fewer.

    Heads of other uses (language modelling, classification) are left over often, and rightly.
    """
    prefix = f"{model.base_model_prefix}."
    n_layers = {name: len(part) for name, part in model.named_modules() if isinstance(part, torch.nn.ModuleList)}

    def is_beyond(key: str) -> bool:
        layer = _LAYER.match(key)
        return layer is not None and layer[1] in n_layers and int(layer[2]) >= n_layers[layer[1]]

    return sorted(key for key in unexpected if any(map(is_beyond, (key, key.removeprefix(prefix), prefix + key))))


def _is_finite(weight: torch.Tensor) -> bool:
    if not weight.numel() or not weight.is_floating_point() or weight.element_size() < 2:  # quantised
        return True
    low, high = weight.detach().aminmax()
    return math.isfinite(low) and math.isfinite(high)
