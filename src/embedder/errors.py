"""The errors that a user can cause, each with enough in its message to mend the cause."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from embedder.origins import origin
from embedder.shown import MESSAGE_LIMIT, shown, shown_message

_VALUE = 1000  # characters of a value or of what is said about it


class EmbedderError(Exception):
    """Base of all errors that this package raises on purpose; entry points print the message without a traceback.

    Whatever the message quotes is made fit to be shown here, so that nobody who raises an error can forget it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shown_message(message))


class ConfigError(EmbedderError):
    """A setting has a value that cannot work."""

    def __init__(self, setting: str, expected: str, got: object) -> None:
        super().__init__(shown(f"{setting}: expected {expected}, got {shown(repr(got), _VALUE)}", MESSAGE_LIMIT))
        self.setting, self.expected, self.got = setting, expected, got


class DataError(EmbedderError):
    """A file does not hold what it should; for one that we made of a user's file, that one is named."""

    def __init__(self, path: Path | str, line: int | None, message: str) -> None:
        path, line = origin(Path(path), line)
        where = f"{path}" if line is None else f"{path}:{line}"
        super().__init__(shown(f"{where}: {shown_message(message, _VALUE)}", MESSAGE_LIMIT))
        self.path = path
        self.line = line


class ProtocolError(EmbedderError):
    """Two results were measured in different ways, so that comparing them would say nothing about the retrievers.

    Args:
        what: What was to be compared.
        differing: Name of each field that differs, with its value in A and in B.
        hint: What can be compared all the same.
    """

    def __init__(self, what: str, differing: Sequence[tuple[str, object, object]], hint: str = "") -> None:
        lines = [f"{what}: measured in different ways, so they are not compared; what differs:"]
        lines += [f"  {shown(name)}: {shown(repr(a))} in A, {shown(repr(b))} in B" for name, a, b in differing]
        super().__init__("\n".join([*lines, *([hint] if hint else [])]))
        self.differing = tuple(differing)


class PromptTooLongError(EmbedderError):
    """A prompt with its output is longer than the LLM reads.

    Args:
        message: How long, and what to do.
        prompt: All of it.
    """

    def __init__(self, message: str, prompt: str) -> None:
        super().__init__(message)
        self.prompt = prompt


class TrainingError(EmbedderError):
    """Training cannot go on with the numbers it arrived at."""


class Interrupted(EmbedderError):  # noqa: N818  # nothing went wrong
    """A signal ended the run, and what was done so far is kept.

    Args:
        message: Where to go on.
        signal_number: Of the signal; the exit status is 128 more, as a shell expects.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.status = 128 + signal_number


class MissingExtraError(EmbedderError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, command: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}, which is not installed. Install it with: {command}")


_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}
_LISTS, _MAPPINGS = (list, tuple, Sequence, Iterable), (dict, Mapping)
HIGHEST_SEED = 2**32 - 1
"""What every generator of random numbers takes."""


def check_types(settings: Any, prefix: str) -> None:
    """Hold the fields of a dataclass of settings against their annotations.

    Args:
        settings: An instance.
        prefix: Where it stands in the configuration, such as `prepare.rewards`.

    Raises:
        ConfigError: A value has another type, such as text where a number or a list belongs, is a number that is not
            finite, or a seed that not every generator takes.
    """
    for field in fields(settings):
        check_value(f"{prefix}.{field.name}", getattr(settings, field.name), field.type)


def check_value(setting: str, value: object, annotation: Any) -> None:
    """Hold one value against an annotation; see `check_types`."""
    kinds = _alternatives(annotation)
    if not any(_fits(value, kind) for kind in kinds):
        expected = " or ".join(dict.fromkeys(map(_named, kinds)))
        if isinstance(value, float) and not math.isfinite(value) and float in kinds:
            expected = expected.replace("a number", "a finite number")
        if isinstance(value, str) and any(_is_list(kind) for kind in kinds):
            expected += f", such as [{value}]"
        raise ConfigError(setting, expected, value)
    if setting.rpartition(".")[2] == "seed" and type(value) is int and not 0 <= value <= HIGHEST_SEED:
        raise ConfigError(setting, f"0 to {HIGHEST_SEED}", value)


def _fits(value: object, kind: Any) -> bool:
    if kind is None or kind is NoneType:
        return value is None
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]  # it is a number
    if kind in _KINDS:
        return type(value) is kind
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin is Literal:
        return value in parts
    if _is_list(kind):
        if not isinstance(value, list | tuple):
            return False
        if origin is tuple and parts and parts[-1] is not Ellipsis:
            return len(value) == len(parts) and all(map(_fits_one_of, value, parts))
        return not parts or all(_fits_one_of(one, parts[0]) for one in value)
    if origin in _MAPPINGS:
        return isinstance(value, Mapping) and (not parts or all(_fits_one_of(one, parts[1]) for one in value.values()))
    if origin in (Any, object) or isinstance(origin, str | TypeVar):
        return True
    if origin is Callable:
        return callable(value)
    if isinstance(origin, type):
        # Of settings of our own or a protocol: a mapping is made into them, a word or a number is not.
        return not isinstance(value, int | float | str | list | tuple | NoneType)
    return True


def _fits_one_of(value: object, annotation: Any) -> bool:
    return any(_fits(value, kind) for kind in _alternatives(annotation))


def _is_list(kind: Any) -> bool:
    return (get_origin(kind) or kind) in _LISTS


def _named(kind: Any) -> str:
    kind = NoneType if kind is None else kind
    if kind in _KINDS:
        return _KINDS[kind]
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if _is_list(kind):
        return f"a list of {' or '.join(map(_plural, _alternatives(parts[0])))}" if parts else "a list"
    if origin in _MAPPINGS:
        return "a mapping"
    return "settings" if origin is Callable or not isinstance(origin, type) else f"settings of {origin.__name__}"


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _plural(kind: Any) -> str:
    return {int: "whole numbers", float: "numbers"}.get(kind, _named(kind))
