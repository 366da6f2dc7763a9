"""Reads the phrases of the world: YAML files beside the code, checked by the dataclass that the code expects.

Phrases are filled in by `str.format`, which can also look into what it is given (`{s.__class__}`). So only the plain
names that a field's type lists may stand in braces.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from string import Formatter
from types import UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from embedder.errors import DataError

_FOLDER = Path(__file__).parent / "phrases"
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C takes a tenth of the time

Phrases = TypeVar("Phrases")


def read_phrases(form: type[Phrases], name: str, folder: Path = _FOLDER) -> Phrases:
    """Read `NAME.yaml`.

    Args:
        form: A dataclass whose fields are `str`, `int`, tuples, mappings from text, other such dataclasses, or
            `Annotated[str, "a b"]`: a text in which `{a}` and `{b}` may stand.
        name: Of the file, without its ending.
        folder: Where it is.

    Raises:
        DataError: The file is not YAML, has a key that is unknown or lacks one, or a value of another type, or what
            stands in braces is not one of the names that may.
    """
    path = folder / f"{name}.yaml"
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_SafeLoader)  # noqa: S506  # it is a safe loader
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(path, None, f"cannot be read as YAML ({' '.join(str(error).split())})") from error
    try:
        phrases: Phrases = _read(content, form, "")
    except _WrongPhraseError as error:
        raise DataError(path, None, str(error)) from None
    return phrases


class _WrongPhraseError(Exception):
    """What is wrong, and at which key of the file."""

    def __init__(self, key: str, expected: str, got: object) -> None:
        super().__init__(f"{key or 'the whole file'}: expected {expected}, got {got!r}")


def _read(value: Any, form: Any, key: str) -> Any:
    """The value as its annotated type has it; `key` says where it stands."""
    origin, parts = get_origin(form), get_args(form)
    if form is str:
        return _text(value, "", key)
    if form is int:
        return _checked(value, int, "a whole number", key)
    if origin is UnionType:  # `X | None`: where there is no X, the key is left out
        return _read(value, parts[0], key)
    if origin is Annotated:
        return _text(value, parts[1], key)
    if origin is tuple:
        items = _checked(value, list, "a list", key)
        forms = parts[:1] * len(items) if parts[1:] == (Ellipsis,) else parts
        if not items or len(items) != len(forms):
            raise _WrongPhraseError(key, "a list with entries" if not items else f"{len(forms)} entries", items)
        return tuple(_read(item, part, f"{key}[{i}]") for i, (item, part) in enumerate(zip(items, forms, strict=True)))
    mapping = _checked(value, dict, "a mapping", key)
    if is_dataclass(form):
        return _dataclass(mapping, form, key)
    return {_text(name, "", key): _read(one, parts[1], f"{key}.{name}".lstrip(".")) for name, one in mapping.items()}


def _dataclass(values: Mapping[Any, Any], form: Any, key: str) -> Any:
    hints = get_type_hints(form, include_extras=True)
    required = {field.name for field in fields(form) if field.default is MISSING}
    if not required <= set(values) <= set(hints):
        expected = f"the keys {', '.join(sorted(required))}"
        if optional := sorted(set(hints) - required):
            expected += f", and perhaps {', '.join(optional)}"
        raise _WrongPhraseError(key, expected, sorted(map(str, values)))
    return form(**{name: _read(value, hints[name], f"{key}.{name}".lstrip(".")) for name, value in values.items()})


def _text(value: Any, slots: str, key: str) -> str:
    text: str = _checked(value, str, "text (in quotes where YAML reads something else)", key)
    try:
        in_braces = [(slot, spec, conversion) for _, slot, spec, conversion in Formatter().parse(text)]
    except ValueError as error:
        raise _WrongPhraseError(key, f"braces around a name ({error})", text) from None
    for slot, spec, conversion in in_braces:
        if slot is not None and (slot not in slots.split() or spec or conversion):
            raise _WrongPhraseError(key, f"{f'only {slots}' if slots else 'nothing'} in braces", text)
    return text


def _checked(value: Any, kind: type, expected: str, key: str) -> Any:
    if type(value) is not kind:
        raise _WrongPhraseError(key, expected, value)
    return value
