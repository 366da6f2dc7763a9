"""What an encoder here takes from a sentence-transformers folder: the way from tokens to a vector, lengths, prompts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedder.encoders.pooling import PoolingName
from embedder.encoders.sentence_files import DESCRIPTION, Module, SentenceFiles, kind_of, read_json
from embedder.errors import ConfigError, DataError
from embedder.types import TaskSides

_POOLINGS: dict[str, PoolingName] = {
    "cls": "cls",
    "mean": "mean",
    "mean_sqrt_len": "mean",  # the same at unit length
    "lasttoken": "last",
}
_USUAL = {"do_lower_case": False, "transformer_task": "feature-extraction"}  # how a text is read as it is


class OtherModulesError(ConfigError):
    """A folder is made of what no encoder here has; sentence-transformers itself can run it."""


@dataclass(frozen=True)
class Route:
    """What the texts of one side go through.

    Args:
        pooling: `cls`, `mean` or `last`; None where the folder does not say.
        dense: Folders of the linear layers behind the pooling, in their order.
        max_length: Tokens of a text unless a length is set; None where the folder does not say.
    """

    transformer: Path
    pooling: PoolingName | None = None
    dense: tuple[Path, ...] = ()
    max_length: int | None = None


@dataclass(frozen=True)
class SentenceFolder:
    """What a model folder says; a folder of transformers alone says where its weights are and nothing else.

    Args:
        query: What queries go through.
        key: What keys go through: the same but for separate encoders.
        dimension: How many first numbers of a vector it keeps; None for all.
        sides: Its own prompts for queries and keys.
        modules: What it is made of, for messages.
        trained: How an export of this project was trained (`embedder.json`); None for any other model.
        tasks: How such an export reads the texts of its tasks.
    """

    query: Route
    key: Route
    dimension: int | None = None
    sides: TaskSides = field(default_factory=TaskSides)
    modules: tuple[str, ...] = ()
    trained: Mapping[str, Any] | None = None
    tasks: Mapping[str, TaskSides] = field(default_factory=dict)

    @property
    def max_length(self) -> int | None:
        """Tokens of a text unless a length is set, on the side that reads more; None where the folder does not say."""
        return max(self.query.max_length or 0, self.key.max_length or 0) or None


def read_folder(files: SentenceFiles) -> SentenceFolder:
    """What a folder says of itself, all of which is used or refused.

    Raises:
        ConfigError: The folder has a module, a pooling or a similarity that an encoder here cannot have, or reads
            texts otherwise.
        DataError: One of its files is damaged.
    """
    if not (files.folder / "modules.json").is_file():
        return SentenceFolder(Route(files.folder), Route(files.folder))
    files.check_similarity()
    trained, tasks = _own_description(files.folder)
    names = tuple(path.name if path != files.folder else kind for kind, path in files.modules)
    made_of = f" ({', '.join(names)})"
    of_query, of_key = _sides(files)
    key = _route(of_key, files, made_of)
    # Of one encoder for both sides: what the routes read otherwise, our own reader does too.
    one_encoder = trained is not None and trained.get("shared", True)
    query = key if one_encoder or of_query == of_key else _route(of_query, files, made_of)
    if query.pooling != key.pooling:
        raise _other(files, "a model with one pooling for queries and keys", made_of)
    return SentenceFolder(query, key, files.dimension, files.prompts, names, trained, tasks)


def _own_description(folder: Path) -> tuple[Mapping[str, Any] | None, dict[str, TaskSides]]:
    """How an export of this project was trained, and how it reads its tasks; None and nothing of any other folder."""
    path = folder / DESCRIPTION
    if not path.is_file():
        return None, {}
    description = read_json(path)
    trained = description.get("encoder", {})
    if not isinstance(trained, dict):
        raise DataError(path, None, "a damaged description: `encoder` is not an object")
    try:
        return trained, {name: TaskSides(**sides) for name, sides in description.get("tasks", {}).items()}
    except (AttributeError, TypeError) as error:
        raise DataError(path, None, f"a damaged description: `tasks` is not what an export writes ({error})") from error


def _sides(files: SentenceFiles) -> tuple[list[Module], list[Module]]:
    """The modules of queries and of keys: those of a router's routes, and what is behind it."""
    modules = files.modules
    if not modules or modules[0][0] not in ("Router", "Asym"):
        return modules, modules
    path = files.folder / "router_config.json"
    router = read_json(path)
    try:
        query, key = (
            [(kind_of(router["types"][part]), files.folder / part) for part in router["structure"].get(route, ())]
            for route in ("query", "document")
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(path, None, f"not a router as sentence-transformers writes it ({error!r})") from error
    if not query or not key:
        raise _other(files, "a model with routes for query and document", f" with {router}")
    return query + modules[1:], key + modules[1:]


def _route(modules: Sequence[Module], files: SentenceFiles, made_of: str) -> Route:
    kinds = [kind for kind, _ in modules]
    inner = kinds[2:-1] if kinds[-1:] == ["Normalize"] else kinds[2:]
    if kinds[:2] != ["Transformer", "Pooling"] or set(inner) - {"Dense"}:
        raise _other(files, "a model of Transformer, Pooling, any number of Dense, and Normalize", made_of)
    dense = tuple(folder for kind, folder in modules if kind == "Dense")
    for folder in dense:
        _check_dense(folder, files)
    transformer, pooling = modules[0][1], modules[1][1]
    return Route(transformer, _pooling(pooling, files), dense, _max_length(transformer, files))


def _pooling(folder: Path, files: SentenceFiles) -> PoolingName:
    config = read_json(folder / "config.json")
    prefix = "pooling_mode_"  # of folders before `pooling_mode`
    older = [name.removeprefix(prefix) for name, on in config.items() if name.startswith(prefix) and on]
    modes = config.get("pooling_mode") or older or "mean"
    modes = [re.sub("_tokens?$", "", str(mode)) for mode in (modes if isinstance(modes, list) else [modes])]
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        expected = f"a model with one pooling among {sorted(_POOLINGS)} ({folder.name}/config.json)"
        raise _other(files, expected, f" with {modes}")
    if not config.get("include_prompt", True):
        raise _other(files, f"a model that pools its prompts too ({folder.name}/config.json: include_prompt)")
    return _POOLINGS[modes[0]]


def _check_dense(folder: Path, files: SentenceFiles) -> None:
    config = read_json(folder / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    reads, writes = config.get("module_input_name", "sentence_embedding"), config.get("module_output_name")
    if not activation.startswith("torch.nn.modules.") or reads != (writes or "sentence_embedding"):
        expected = f"a model whose {folder.name} maps the pooled vector, with an activation of torch.nn"
        raise _other(files, expected, f" with {activation} over {config.get('module_input_name')}")
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise DataError(weights, None, "there is no such file (weights are read as safetensors only)")


def _max_length(transformer: Path, files: SentenceFiles) -> int | None:
    length = None
    for path in sorted(transformer.glob("sentence_*_config.json")):
        config = read_json(path)
        unusual = [key for key, usual in _USUAL.items() if config.get(key) not in (None, usual)]
        unusual += [key for key in ("processing_kwargs", "query_expansion") if config.get(key)]
        if unusual:
            raise _other(files, f"a model without {', '.join(unusual)} ({path.name})")
        length = config.get("max_seq_length", length)
    if length is not None and (type(length) is not int or length < 1):
        expected = "a model whose max_seq_length is a whole number above 0"
        raise ConfigError(files.setting, expected, f"{files.name} with {length!r}")
    return length


def _other(files: SentenceFiles, expected: str, found: str = "") -> OtherModulesError:
    return OtherModulesError(files.setting, expected, files.name + found)
