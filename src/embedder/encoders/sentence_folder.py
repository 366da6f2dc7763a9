"""What a sentence-transformers folder says of itself: its modules, its length, its prompts, what it is compared by."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedder.errors import ConfigError, DataError
from embedder.shown import shown
from embedder.types import TaskSides

_OWN = "sentence_transformers."
_POOLINGS = {"cls": "cls", "mean": "mean", "lasttoken": "last", "mean_sqrt_len_tokens": "mean"}  # at unit length
_LEGACY = {  # of folders before pooling_mode
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_ROUTES = {"query": "query", "key": "document"}


class OtherModulesError(ConfigError):
    """A folder is made of what no encoder here has; sentence-transformers itself can run it."""


@dataclass(frozen=True)
class SentenceFolder:
    """What a model folder says; a folder of transformers alone says where its weights are and nothing else.

    Args:
        query: Where the transformer of queries lies.
        key: Where that of keys lies: the same folder but for separate encoders.
        pooling: `cls`, `mean` or `last`; None if it does not say.
        query_dense: Folders of the linear layers behind the pooling of queries, in their order.
        key_dense: Those of keys.
        max_length: Tokens of a text where nothing else is asked for; None if it does not say.
        dimension: How many first numbers of a vector it keeps (`truncate_dim`); None for all.
        sides: Its own prompts for queries and keys.
        modules: What it is made of, for messages.
        trained: How an export of ours was trained (`embedder.json`); None for a model of others.
    """

    query: Path
    key: Path
    pooling: str | None = None
    query_dense: tuple[Path, ...] = ()
    key_dense: tuple[Path, ...] = ()
    max_length: int | None = None
    dimension: int | None = None
    sides: TaskSides = field(default_factory=TaskSides)
    modules: tuple[str, ...] = ()
    trained: Mapping[str, Any] | None = None


def read_folder(folder: Path, setting: str, name: str) -> SentenceFolder:
    """What a folder says of itself, all of which is used or refused.

    Raises:
        ConfigError: It has a module, a pooling, a way of reading or a similarity that an encoder here cannot have.
        DataError: One of its files is damaged.
    """
    if not (folder / "modules.json").is_file():
        return SentenceFolder(folder, folder)
    check_classes(folder, setting, name)
    trained = _trained(folder)
    parts = [(_kind(one["type"]), folder / one["path"]) for one in _modules(folder)]
    names = tuple(path.name if path != folder else kind for kind, path in parts)
    routes = {"query": parts, "key": parts}
    if parts and parts[0][0] in ("Router", "Asym"):
        router = _json(folder / "router_config.json")
        for side, route in _ROUTES.items():
            some = router["structure"].get(route)
            if not some:
                raise OtherModulesError(setting, "a model with routes for query and document", f"{name} with {router}")
            routes[side] = [(_kind(router["types"][one]), folder / one) for one in some] + parts[1:]
        if trained is not None and trained.get("shared", True):
            routes["query"] = routes["key"]  # the same weights; what it reads otherwise, our own reader does too
    found = {side: _Route.of(some, setting, name, names) for side, some in routes.items()}
    if found["query"].pooling != found["key"].pooling:
        raise OtherModulesError(
            setting, "a model with one pooling for queries and keys", f"{name} ({', '.join(names)})"
        )
    check_similarity(folder, setting, name)
    key = found["key"]
    return SentenceFolder(
        found["query"].transformer,
        key.transformer,
        key.pooling,
        found["query"].dense,
        key.dense,
        _max_length(key.transformer, setting, name),
        _dimension(folder, setting, name),
        _sides(folder),
        names,
        trained,
    )


def check_classes(folder: Path, setting: str, name: str) -> None:
    """Refuse a folder whose modules are of other classes than those of sentence-transformers: they are code.

    Raises:
        ConfigError: There is one.
        DataError: `modules.json` is damaged.
    """
    types = [one["type"] for one in _modules(folder)]
    for path in (folder / "router_config.json", *folder.glob("*/router_config.json")):
        if path.is_file():
            types += [str(one) for one in dict(_json(path).get("types", {})).values()]
    foreign = [one for one in types if not one.startswith(_OWN)]
    if foreign:
        expected = "a model made of sentence-transformers' own modules, since code of a model is never run"
        raise ConfigError(setting, f"{expected} (its modules.json names {shown(', '.join(foreign))})", name)


@dataclass(frozen=True)
class _Route:
    """From the tokens of a text to its vector."""

    transformer: Path
    pooling: str
    dense: tuple[Path, ...]

    @classmethod
    def of(cls, parts: Sequence[tuple[str, Path]], setting: str, name: str, names: Sequence[str]) -> "_Route":
        kinds = [kind for kind, _ in parts]
        inner = kinds[2:-1] if kinds[-1:] == ["Normalize"] else kinds[2:]
        if kinds[:2] != ["Transformer", "Pooling"] or set(inner) - {"Dense"}:
            expected = "a model of Transformer, Pooling, any number of Dense, and Normalize"
            raise OtherModulesError(setting, expected, f"{name} ({', '.join(names)})")
        dense = tuple(path for kind, path in parts if kind == "Dense")
        for path in dense:
            _check_dense(path, setting, name)
        return cls(parts[0][1], _pooling(parts[1][1], setting, name), dense)


def _pooling(folder: Path, setting: str, name: str) -> str:
    said = _json(folder / "config.json")
    modes = said.get("pooling_mode") or [mode for legacy, mode in _LEGACY.items() if said.get(legacy)] or "mean"
    some = [modes] if isinstance(modes, str) else list(modes)
    if len(some) != 1 or some[0] not in _POOLINGS:
        expected = f"a model with one pooling among {sorted(_POOLINGS)} ({folder.name}/config.json)"
        raise OtherModulesError(setting, expected, f"{name} with {some}")
    if not said.get("include_prompt", True):
        expected = f"a model that pools its prompts too ({folder.name}/config.json: include_prompt)"
        raise OtherModulesError(setting, expected, name)
    return _POOLINGS[some[0]]


def _check_dense(folder: Path, setting: str, name: str) -> None:
    said = _json(folder / "config.json")
    activation = str(said.get("activation_function", "torch.nn.modules.activation.Tanh"))
    if not activation.startswith("torch.nn.modules.") or said.get("module_input_name", "sentence_embedding") != (
        said.get("module_output_name") or "sentence_embedding"
    ):
        expected = f"a model whose {folder.name} maps the pooled vector, with an activation of torch.nn"
        raise OtherModulesError(setting, expected, f"{name} with {activation} over {said.get('module_input_name')}")
    if not (folder / "model.safetensors").is_file():
        raise DataError(
            folder / "model.safetensors", None, "there is no such file (weights are read as safetensors only)"
        )


def _max_length(transformer: Path, setting: str, name: str) -> int | None:
    """How many tokens it reads, and that it reads a text as it is."""
    length = None
    for path in sorted(transformer.glob("sentence_*_config.json")):
        said = _json(path)
        odd = {
            key: said[key]
            for key, usual in (("do_lower_case", False), ("transformer_task", "feature-extraction"))
            if said.get(key) not in (None, usual)
        } | {key: said[key] for key in ("processing_kwargs", "query_expansion") if said.get(key)}
        if odd:
            raise OtherModulesError(setting, f"a model without {', '.join(odd)} ({path.name})", name)
        length = said.get("max_seq_length", length)
    if length is not None and (type(length) is not int or length < 1):
        raise ConfigError(setting, "a model whose max_seq_length is a whole number above 0", f"{name} with {length!r}")
    return length


def _dimension(folder: Path, setting: str, name: str) -> int | None:
    path = folder / "config_sentence_transformers.json"
    size = _json(path).get("truncate_dim") if path.is_file() else None
    if size is not None and (type(size) is not int or size < 1):
        raise ConfigError(setting, f"a model whose truncate_dim is a whole number above 0 ({path.name})", name)
    return size


def _sides(folder: Path) -> TaskSides:
    """The prompts that sentence-transformers puts in front of queries and documents."""
    path = folder / "config_sentence_transformers.json"
    said = _json(path) if path.is_file() else {}
    prompts = said.get("prompts") or {}
    usual = prompts.get(said.get("default_prompt_name")) or ""
    key = next((prompts[one] for one in ("document", "passage", "corpus") if one in prompts), usual)
    return TaskSides(prompts.get("query", usual) or "", key or "")


def check_similarity(folder: Path, setting: str, name: str) -> None:
    """Refuse a folder that names another similarity than the cosine, by which all vectors are compared here.

    Raises:
        ConfigError: It does, and its vectors are not of one length.
    """
    normalised = any(_kind(one["type"]) == "Normalize" for one in _modules(folder))
    path = folder / "config_sentence_transformers.json"
    named = _json(path).get("similarity_fn_name") if path.is_file() else None
    # Of vectors of length 1 the inner product is the cosine, and the distance falls as it rises.
    same = {None, "cosine", "dot", "euclidean"} if normalised else {None, "cosine"}
    if named not in same:
        expected = "a model that is compared by cosine, as all are here"
        raise ConfigError(setting, f"{expected} ({path.name} says similarity_fn_name: {named})", name)


def _trained(folder: Path) -> Mapping[str, Any] | None:
    path = folder / "embedder.json"
    if not path.is_file():
        return None
    said = _json(path)
    encoder = said.get("encoder", {"pooling": said.get("pooling")})  # the first format
    if not isinstance(encoder, dict):
        raise DataError(path, None, "a damaged description: `encoder` is not an object")
    return encoder


def _modules(folder: Path) -> list[dict[str, Any]]:
    path = folder / "modules.json"
    try:
        some = sorted(json.loads(path.read_text(encoding="utf-8")), key=lambda one: int(one["idx"]))
        found = [{"type": str(one["type"]), "path": str(one["path"])} for one in some]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(path, None, f"not a list of modules as sentence-transformers writes it ({error})") from error
    for one in found:
        if Path(one["path"]).is_absolute() or ".." in Path(one["path"]).parts:
            raise DataError(path, None, f"names a place outside of its folder: {shown(one['path'])}")
    return found


def _kind(kind: str) -> str:
    return kind.rpartition(".")[2]


def _json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(path, None, f"cannot be read as JSON ({error})") from error
    if not isinstance(said, dict):
        raise DataError(path, None, "expected a JSON object")
    return said
