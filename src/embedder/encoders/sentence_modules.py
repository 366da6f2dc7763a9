"""The modules that a sentence-transformers folder is made of, by its `modules.json`."""

import json
from pathlib import Path
from typing import Any

from embedder.errors import ConfigError, DataError
from embedder.shown import shown

_OWN = "sentence_transformers."


class OtherModulesError(ConfigError):
    """A folder is made of what no encoder here has; sentence-transformers itself can run it."""


def modules_of(folder: Path) -> list[tuple[str, Path]]:
    """The class of each module, without its package, and its folder, in their order.

    Raises:
        DataError: `modules.json` is damaged.
    """
    return [(kind_of(module["type"]), folder / module["path"]) for module in _listed(folder)]


def kind_of(class_name: str) -> str:
    """A class without its package: `Pooling` of `sentence_transformers.models.Pooling`."""
    return class_name.rpartition(".")[2]


def check_classes(folder: Path, setting: str, name: str) -> None:
    """Refuse a folder whose modules are of other classes than those of sentence-transformers: they are code.

    Raises:
        ConfigError: A class is foreign.
        DataError: `modules.json` is damaged.
    """
    classes = [module["type"] for module in _listed(folder)]
    for path in (folder / "router_config.json", *folder.glob("*/router_config.json")):
        if path.is_file():
            classes += map(str, dict(read_json(path).get("types", {})).values())
    foreign = [class_name for class_name in classes if not class_name.startswith(_OWN)]
    if foreign:
        expected = "a model made of sentence-transformers' own modules, since code of a model is never run"
        raise ConfigError(setting, f"{expected} (its modules.json names {shown(', '.join(foreign))})", name)


def _listed(folder: Path) -> list[dict[str, str]]:
    path = folder / "modules.json"
    try:
        ordered = sorted(json.loads(path.read_text(encoding="utf-8")), key=lambda module: int(module["idx"]))
        modules = [{"type": str(module["type"]), "path": str(module["path"])} for module in ordered]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(path, None, f"not a list of modules as sentence-transformers writes it ({error})") from error
    for module in modules:
        if Path(module["path"]).is_absolute() or ".." in Path(module["path"]).parts:
            raise DataError(path, None, f"names a place outside of its folder: {shown(module['path'])}")
    return modules


def read_json(path: Path) -> dict[str, Any]:
    """A file of settings.

    Raises:
        DataError: It cannot be read, or is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(path, None, f"cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise DataError(path, None, "expected a JSON object")
    return content
