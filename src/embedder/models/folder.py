"""One way to load a model folder: its tokenizer, its complete weights, and never its code."""

import json
import logging
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch

from embedder.errors import ConfigError, EmbedderError
from embedder.shown import shown

# What follows here a model that lacks it gives other vectors for; BERT's own pooler is never asked.
_UNUSED = re.compile(r"^pooler\.")
_LAYER = re.compile(r"^(.*?)\.(\d+)\.")
_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
_SHOWN = 3  # names of tensors in a message
_CODE = "it needs code of its own, which is never run here; transformers itself does not know its kind"


@contextmanager
def loading(setting: str, name: object, what: str) -> Iterator[None]:
    """Turn what libraries throw over a damaged or a foreign folder into one line.

    Args:
        setting: What names the folder.
        name: Its value.
        what: What was to be loaded, such as `a causal LM`.

    Raises:
        ConfigError: Anything went wrong but for the memory.
    """
    try:
        yield
    except (EmbedderError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the tokenizers library raises nothing narrower
        raise ConfigError(setting, f"{what} that can be loaded ({reason(error)})", str(name)) from error


def reason(error: BaseException) -> str:
    """What an error of a library says, in a line."""
    if "trust_remote_code" in str(error):
        return _CODE
    line = next((line for line in str(error).splitlines() if line.strip()), "")
    return shown(f"{type(error).__name__}: {line}" if isinstance(error, KeyError | TypeError) else line or error)


def local_folder(source: str | Path, revision: str | None, setting: str, *, weights: bool = True) -> Path:
    """The folder of a model: itself, or the copy of a hub's in the cache, which is made where it is missing.

    Args:
        source: As `resolve_model` returns it.
        revision: Branch, tag or commit of a hub name.
        setting: What names it.
        weights: Whether they are needed too.

    Raises:
        ConfigError: The hub has no such model, or cannot be reached.
    """
    return source if isinstance(source, Path) else _downloaded(source, revision, setting, weights)


@cache
def _downloaded(source: str, revision: str | None, setting: str, weights: bool) -> Path:
    """The hub is asked once in a process: every row and every task asks for the folder."""
    from huggingface_hub import snapshot_download

    with from_hub(setting, source):
        small = ["*.json", "*.txt", "*.model", "*.jinja"]
        folder = Path(snapshot_download(source, revision=revision, allow_patterns=small))
        if weights:  # which may be there in part, where an earlier download was cut off
            shards = sorted({shard for index in folder.glob("*.safetensors.index.json") for shard in _shards(index)})
            wanted = [*(shards or ["model.safetensors"]), "*/model.safetensors"]
            snapshot_download(source, revision=revision, allow_patterns=wanted)
    return folder


@contextmanager
def from_hub(setting: str, name: str) -> Iterator[None]:
    """Say in a line why a hub gave no model.

    Raises:
        ConfigError: It has none of that name, or cannot be reached and nothing is in the cache.
    """
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    kinds = "an existing folder, package:NAME/PATH or the name of a model on the Hugging Face hub"
    try:
        yield
    except LocalEntryNotFoundError as error:
        why = "there is no such folder, it is not in the cache of models, and the hub cannot be reached"
        raise ConfigError(setting, f"{kinds} ({why})", name) from error
    except RepositoryNotFoundError as error:
        raise ConfigError(setting, f"{kinds} (the hub has none of that name, or a private one)", name) from error
    except (HfHubHTTPError, ValueError, OSError) as error:
        raise ConfigError(setting, f"{kinds} ({reason(error)})", name) from error


def load_tokenizer(folder: Path, setting: str, name: str, what: str = "a model with a tokenizer") -> Any:
    """The tokenizer of a folder, which reads the names of control tokens in a text as plain text.

    The tokens that it puts in front of texts and behind them stay what they are.

    Raises:
        ConfigError: It cannot be loaded.
    """
    from transformers import AutoTokenizer

    with loading(setting, name, what):
        _refuse_code(folder)
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, split_special_tokens=True)


def _refuse_code(folder: Path) -> None:
    """A tokenizer of a class of the folder's own: its `tokenizer.json` alone may cut texts otherwise."""
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    path = folder / "tokenizer_config.json"
    said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known = tokenizer_class_from_name(str(said.get("tokenizer_class")))
    if "AutoTokenizer" in (said.get("auto_map") or {}) and known is None:
        raise ValueError(_CODE)


def load_settings(folder: Path, setting: str, name: str) -> Any:
    """The settings of a model (`config.json`).

    Raises:
        ConfigError: They cannot be read, or the folder holds an adapter alone.
    """
    from transformers import AutoConfig

    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        expected = (
            "a whole model; this is an adapter alone: merge it into its base with peft "
            "(`PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(folder)`), name that folder"
        )
        raise ConfigError(setting, expected, name)
    with loading(setting, name, "a model"):
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


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
        ConfigError: Weights are missing, too many, of another kind or shape, or not numbers: they would be made up.
        ImportError: An attention that `settings` ask for is not installed.
    """
    with loading(setting, name, what):
        check_kinds(folder, setting, name, what)
    try:
        with _quiet():
            model, report = auto.from_pretrained(
                folder,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # they are told below, by their names
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **settings,
            )
    except ImportError:
        raise
    except Exception as error:
        with loading(setting, name, what):
            raise error
    missing = sorted(key for key in report["missing_keys"] if not _UNUSED.match(key))
    shapes = sorted(str(key[0] if isinstance(key, tuple) else key) for key in report.get("mismatched_keys") or ())
    layers = _unknown_layers(model, report["unexpected_keys"])
    for problem, names in (("missing", missing), ("of another shape", shapes), ("of layers that it lacks", layers)):
        if names:
            raise ConfigError(setting, f"{what} with its weights, all and no others ({problem}: {some(names)})", name)
    broken = sorted(key for key, weight in model.named_parameters() if not _is_finite(weight))
    if broken:
        raise ConfigError(setting, f"{what} whose weights are numbers (NaN or infinite: {some(broken)})", name)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """What does not fit is a table of many lines in transformers; it is told in one, or rightly left out."""
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
    """
    from safetensors import SafetensorError, safe_open

    said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                kinds = {key: file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118  # no dictionary
        except SafetensorError as error:
            raise ConfigError(setting, f"{what} that can be loaded ({path.name} is damaged: {error})", name) from error
        if "quantization_config" in said:
            continue
        if other := sorted(key for key, kind in kinds.items() if key.endswith(".weight") and kind not in _FLOATS):
            expected = f"{what} with weights in {sorted(_FLOATS)} ({kinds[other[0]]} in {path.name}: {some(other)})"
            raise ConfigError(setting, expected, name)


def _unknown_layers(model: Any, unexpected: Sequence[str]) -> list[str]:
    """Weights of layers beyond those of a model whose settings say that it has fewer.

    Heads of other uses (language modelling, classification) are left over often, and rightly.
    """
    prefix = f"{model.base_model_prefix}."
    lists = {n for n, module in model.named_modules() if isinstance(module, torch.nn.ModuleList)}
    found = []
    for key in sorted(unexpected):
        for one in (key, key.removeprefix(prefix), prefix + key):
            layer = _LAYER.match(one)
            if layer and layer[1] in lists and int(layer[2]) >= len(model.get_submodule(layer[1])):
                found.append(key)
                break
    return found


def _is_finite(weight: torch.Tensor) -> bool:
    if not weight.numel() or not weight.is_floating_point() or weight.element_size() < 2:  # quantised
        return True
    low, high = weight.detach().aminmax()
    return math.isfinite(low) and math.isfinite(high)


def _shards(index: Path) -> list[str]:
    return list(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())


def some(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return shown(", ".join(names[:_SHOWN])) + more
