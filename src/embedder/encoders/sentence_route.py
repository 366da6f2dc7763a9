"""The way from the tokens of a text to its vector in a sentence-transformers folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedder.encoders.pooling import PoolingName
from embedder.encoders.sentence_modules import OtherModulesError, read_json
from embedder.errors import ConfigError, DataError

_POOLINGS: dict[str, PoolingName] = {
    "cls": "cls",
    "mean": "mean",
    "lasttoken": "last",
    "mean_sqrt_len_tokens": "mean",  # the same at unit length
}
_LEGACY = {  # of folders before pooling_mode
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_USUAL = {"do_lower_case": False, "transformer_task": "feature-extraction"}  # how a text is read as it is


@dataclass(frozen=True)
class Route:
    """What the texts of one side go through.

    Args:
        transformer: Folder of the transformer.
        pooling: `cls`, `mean` or `last`; None where the folder does not say.
        dense: Folders of the linear layers behind the pooling, in their order.
    """

    transformer: Path
    pooling: PoolingName | None = None
    dense: tuple[Path, ...] = ()


def read_route(modules: Sequence[tuple[str, Path]], setting: str, name: str, made_of: str) -> Route:
    """The modules as a route.

    Args:
        modules: Class and folder of each.
        setting: What names the model.
        name: Its value.
        made_of: The modules of the model, for messages.

    Raises:
        OtherModulesError: An encoder here has no such modules.
        DataError: The weights of a linear layer are missing.
    """
    kinds = [kind for kind, _ in modules]
    inner = kinds[2:-1] if kinds[-1:] == ["Normalize"] else kinds[2:]
    if kinds[:2] != ["Transformer", "Pooling"] or set(inner) - {"Dense"}:
        expected = "a model of Transformer, Pooling, any number of Dense, and Normalize"
        raise OtherModulesError(setting, expected, f"{name} ({made_of})")
    dense = tuple(folder for kind, folder in modules if kind == "Dense")
    for folder in dense:
        _check_dense(folder, setting, name)
    return Route(modules[0][1], _pooling(modules[1][1], setting, name), dense)


def _pooling(folder: Path, setting: str, name: str) -> PoolingName:
    config = read_json(folder / "config.json")
    modes = config.get("pooling_mode") or [mode for legacy, mode in _LEGACY.items() if config.get(legacy)] or "mean"
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        expected = f"a model with one pooling among {sorted(_POOLINGS)} ({folder.name}/config.json)"
        raise OtherModulesError(setting, expected, f"{name} with {modes}")
    if not config.get("include_prompt", True):
        expected = f"a model that pools its prompts too ({folder.name}/config.json: include_prompt)"
        raise OtherModulesError(setting, expected, name)
    return _POOLINGS[modes[0]]


def _check_dense(folder: Path, setting: str, name: str) -> None:
    config = read_json(folder / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    reads, writes = config.get("module_input_name", "sentence_embedding"), config.get("module_output_name")
    if not activation.startswith("torch.nn.modules.") or reads != (writes or "sentence_embedding"):
        expected = f"a model whose {folder.name} maps the pooled vector, with an activation of torch.nn"
        raise OtherModulesError(setting, expected, f"{name} with {activation} over {config.get('module_input_name')}")
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise DataError(weights, None, "there is no such file (weights are read as safetensors only)")


def read_max_length(transformer: Path, setting: str, name: str) -> int | None:
    """How many tokens a transformer reads unless a length is set; None if its folder does not say.

    Raises:
        OtherModulesError: The transformer changes a text before it reads it.
        ConfigError: The length is not a whole number above 0.
    """
    length = None
    for path in sorted(transformer.glob("sentence_*_config.json")):
        config = read_json(path)
        unusual = [key for key, usual in _USUAL.items() if config.get(key) not in (None, usual)]
        unusual += [key for key in ("processing_kwargs", "query_expansion") if config.get(key)]
        if unusual:
            raise OtherModulesError(setting, f"a model without {', '.join(unusual)} ({path.name})", name)
        length = config.get("max_seq_length", length)
    if length is not None and (type(length) is not int or length < 1):
        raise ConfigError(setting, "a model whose max_seq_length is a whole number above 0", f"{name} with {length!r}")
    return length
