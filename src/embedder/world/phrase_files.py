"""Reads the phrases of the world: YAML files beside the code, each as the dataclass that the code expects.

Phrases are filled in by `str.format`. A field's type lists the names that may stand in braces, which a test compares
with the files: `Annotated[str, "a b"]` is a text in which `{a}` and `{b}` may stand.
"""

from dataclasses import is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

_FOLDER = Path(__file__).parent / "phrases"
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C takes a tenth of the time

Phrases = TypeVar("Phrases")


def read_phrases(form: type[Phrases], name: str) -> Phrases:
    """Read `NAME.yaml`.

    Args:
        form: A dataclass whose fields are texts, numbers, tuples, mappings from text or other such dataclasses.
        name: Of the file, without its ending.
    """
    text = (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    phrases: Phrases = _read(yaml.load(text, Loader=_SafeLoader), form)  # noqa: S506  # it is a safe loader
    return phrases


def _read(value: Any, form: Any) -> Any:
    """The value as its annotated type has it."""
    origin, parts = get_origin(form), get_args(form)
    if origin is UnionType:  # `X | None`: where there is no X, the key is left out
        return _read(value, parts[0])
    if origin is tuple:
        forms = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return tuple(map(_read, value, forms))
    if origin is dict:
        return {name: _read(one, parts[1]) for name, one in value.items()}
    if is_dataclass(form):
        hints = get_type_hints(form)
        return form(**{name: _read(one, hints[name]) for name, one in value.items()})  # type: ignore[operator]
    return value
