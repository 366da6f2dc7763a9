"""The files by which a sentence-transformers folder says what it is made of and how its vectors are compared."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from embedder.errors import ConfigError, DataError, reading
from embedder.shown import shown
from embedder.types import TaskSides

Module = tuple[str, Path]
"""The class of a module, without its package, and its folder."""
DESCRIPTION = "embedder.json"
"""What an export of this project says beyond that."""
_SETTINGS = "config_sentence_transformers.json"


@dataclass(frozen=True)
class SentenceFiles:
    """The files of one folder, each read once.

    Args:
        folder: Where they lie.
        setting: What names the folder, for messages.
        name: Its value.
    """

    folder: Path
    setting: str
    name: str

    @cached_property
    def modules(self) -> list[Module]:
        """In their order; their classes are those of sentence-transformers, because code of a model is never run.

        Raises:
            ConfigError: A class is foreign.
            DataError: A file is damaged, or names a folder elsewhere.
        """
        path = self.folder / "modules.json"
        wrong = "not a list of modules as sentence-transformers writes it"
        with reading(path, wrong, OSError, ValueError, KeyError, TypeError):
            ordered = sorted(json.loads(path.read_text(encoding="utf-8")), key=lambda module: int(module["idx"]))
            listed = [(str(module["type"]), Path(str(module["path"]))) for module in ordered]
        for _, place in listed:
            if place.is_absolute() or ".." in place.parts:
                raise DataError(path, None, f"names a place outside of its folder: {shown(str(place))}")
        classes = [*(name for name, _ in listed), *self._routed_classes()]
        if foreign := [name for name in classes if not name.startswith("sentence_transformers.")]:
            expected = "a model made of sentence-transformers' own modules, since code of a model is never run"
            named = f"its modules.json names {shown(', '.join(foreign))}"
            raise ConfigError(self.setting, f"{expected} ({named})", self.name)
        return [(kind_of(name), self.folder / place) for name, place in listed]

    def _routed_classes(self) -> Iterator[str]:
        for path in (self.folder / "router_config.json", *self.folder.glob("*/router_config.json")):
            if path.is_file():
                yield from map(str, dict(read_json(path).get("types", {})).values())

    @cached_property
    def _settings(self) -> dict[str, Any]:
        path = self.folder / _SETTINGS
        return read_json(path) if path.is_file() else {}

    @property
    def prompts(self) -> TaskSides:
        """What sentence-transformers puts in front of queries and documents; empty where it has none.

        Raises:
            DataError: They are no texts.
        """
        prompts = self._settings.get("prompts") or {}
        if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
            raise DataError(self.folder / _SETTINGS, None, "expected `prompts` as an object of texts")
        usual = prompts.get(self._settings.get("default_prompt_name")) or ""
        key = next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), usual)
        return TaskSides(prompts.get("query", usual) or "", key or "")

    @property
    def dimension(self) -> int | None:
        """How many first numbers of a vector are kept; None for all.

        Raises:
            ConfigError: It is not a whole number above 0.
        """
        size = self._settings.get("truncate_dim")
        if size is not None and (type(size) is not int or size < 1):
            expected = f"a model whose truncate_dim is a whole number above 0 ({_SETTINGS})"
            raise ConfigError(self.setting, expected, self.name)
        return size

    def check_similarity(self) -> None:
        """Refuse vectors that are not compared by their cosine, by which all vectors are compared here.

        Raises:
            ConfigError: Another similarity is named, and the vectors are not of one length.
        """
        similarity = self._settings.get("similarity_fn_name")
        # Of vectors of length 1 the inner product is the cosine, and the distance falls as it rises.
        is_normalised = any(kind == "Normalize" for kind, _ in self.modules)
        if similarity not in (None, "cosine", *(("dot", "euclidean") if is_normalised else ())):
            found = f"{_SETTINGS} says similarity_fn_name: {similarity}"
            raise ConfigError(self.setting, f"a model that is compared by cosine, as all are here ({found})", self.name)


def kind_of(class_name: str) -> str:
    """A class without its package: `Pooling` of `sentence_transformers.models.Pooling`."""
    return class_name.rpartition(".")[2]


def read_json(path: Path) -> dict[str, Any]:
    """A file of settings.

    Raises:
        DataError: It cannot be read, or is no JSON object.
    """
    with reading(path, "cannot be read as JSON", OSError, ValueError, RecursionError):
        content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise DataError(path, None, "expected a JSON object")
    return content
