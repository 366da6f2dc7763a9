"""Reads the files of a sentence-transformers folder: its modules, its length, its prompts, its similarity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedder.encoders.sentence_modules import OtherModulesError, check_classes, kind_of, modules_of, read_json
from embedder.encoders.sentence_route import Route, read_max_length, read_route
from embedder.errors import ConfigError, DataError
from embedder.types import TaskSides

_ROUTES = {"query": "query", "key": "document"}


@dataclass(frozen=True)
class SentenceFolder:
    """What a model folder says; a folder of transformers alone says where its weights are and nothing else.

    Args:
        query: What queries go through.
        key: What keys go through: the same but for separate encoders.
        max_length: Tokens of a text unless a length is set; None if the folder does not say.
        dimension: How many first numbers of a vector it keeps (`truncate_dim`); None for all.
        sides: Its own prompts for queries and keys.
        modules: What it is made of, for messages.
        trained: How an export of this project was trained (`embedder.json`); None for any other model.
        tasks: How such an export reads the texts of its tasks.
    """

    query: Route
    key: Route
    max_length: int | None = None
    dimension: int | None = None
    sides: TaskSides = field(default_factory=TaskSides)
    modules: tuple[str, ...] = ()
    trained: Mapping[str, Any] | None = None
    tasks: Mapping[str, TaskSides] = field(default_factory=dict)


def read_folder(folder: Path, setting: str, name: str) -> SentenceFolder:
    """What a folder says of itself, all of which is used or refused.

    Raises:
        ConfigError: The folder has a module, a pooling or a similarity that an encoder here cannot have, or reads
            texts otherwise.
        DataError: One of its files is damaged.
    """
    if not (folder / "modules.json").is_file():
        return SentenceFolder(Route(folder), Route(folder))
    check_classes(folder, setting, name)
    trained = _trained(folder)
    modules = modules_of(folder)
    names = tuple(path.name if path != folder else kind for kind, path in modules)
    made_of = ", ".join(names)
    modules_of_side = {"query": modules, "key": modules}
    if modules and modules[0][0] in ("Router", "Asym"):
        router = read_json(folder / "router_config.json")
        for side, route in _ROUTES.items():
            parts = router["structure"].get(route)
            if not parts:
                raise OtherModulesError(setting, "a model with routes for query and document", f"{name} with {router}")
            modules_of_side[side] = [(kind_of(router["types"][part]), folder / part) for part in parts] + modules[1:]
        if trained is not None and trained.get("shared", True):
            # The same weights: what the routes read otherwise, our own reader does too.
            modules_of_side["query"] = modules_of_side["key"]
    query, key = (read_route(modules_of_side[side], setting, name, made_of) for side in ("query", "key"))
    if query.pooling != key.pooling:
        raise OtherModulesError(setting, "a model with one pooling for queries and keys", f"{name} ({made_of})")
    check_similarity(folder, setting, name)
    said = (read_max_length(route.transformer, setting, name) for route in {query, key})
    lengths = [length for length in said if length is not None]
    return SentenceFolder(
        query,
        key,
        max(lengths, default=None),
        _dimension(folder, setting, name),
        own_prompts(folder),
        names,
        trained,
        _tasks(folder) if trained is not None else {},
    )


def check_similarity(folder: Path, setting: str, name: str) -> None:
    """Refuse a folder that names another similarity than the cosine, by which all vectors are compared here.

    Raises:
        ConfigError: The folder names another similarity, and its vectors are not of one length.
    """
    similarity = _settings(folder).get("similarity_fn_name")
    # Of vectors of length 1 the inner product is the cosine, and the distance falls as it rises.
    is_normalised = any(kind == "Normalize" for kind, _ in modules_of(folder))
    if similarity not in (None, "cosine", *(("dot", "euclidean") if is_normalised else ())):
        expected = "a model that is compared by cosine, as all are here"
        found = f"config_sentence_transformers.json says similarity_fn_name: {similarity}"
        raise ConfigError(setting, f"{expected} ({found})", name)


def _dimension(folder: Path, setting: str, name: str) -> int | None:
    size = _settings(folder).get("truncate_dim")
    if size is not None and (type(size) is not int or size < 1):
        expected = "a model whose truncate_dim is a whole number above 0 (config_sentence_transformers.json)"
        raise ConfigError(setting, expected, name)
    return size


def own_prompts(folder: Path) -> TaskSides:
    """The prompts that sentence-transformers puts in front of queries and documents; empty where it has none."""
    settings = _settings(folder)
    prompts = settings.get("prompts") or {}
    usual = prompts.get(settings.get("default_prompt_name")) or ""
    key = next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), usual)
    return TaskSides(prompts.get("query", usual) or "", key or "")


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "config_sentence_transformers.json"
    return read_json(path) if path.is_file() else {}


def _tasks(folder: Path) -> dict[str, TaskSides]:
    path = folder / "embedder.json"
    try:
        return {name: TaskSides(**sides) for name, sides in read_json(path).get("tasks", {}).items()}
    except (AttributeError, TypeError) as error:
        raise DataError(path, None, f"a damaged description: `tasks` is not what an export writes ({error})") from error


def _trained(folder: Path) -> Mapping[str, Any] | None:
    path = folder / "embedder.json"
    if not path.is_file():
        return None
    encoder = read_json(path).get("encoder", {})
    if not isinstance(encoder, dict):
        raise DataError(path, None, "a damaged description: `encoder` is not an object")
    return encoder
