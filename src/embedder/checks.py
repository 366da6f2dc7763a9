"""Settings are checked by the annotations of the code that takes them: types, choices and bounds."""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from embedder.bounds import Bound
from embedder.errors import ConfigError

_T = TypeVar("_T")
_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "null"}
_LISTS, _MAPPINGS = (list, tuple, Sequence, Iterable), (dict, Mapping)


def checked(prefix: str) -> Callable[[type[_T]], type[_T]]:
    """Make a class check what it is built with against the annotations of its `__init__`.

    It stands above `@dataclass`, so that what `__post_init__` compares is of the right types and within its bounds.

    Example:
        >>> from dataclasses import dataclass
        >>> from embedder.bounds import PositiveInt
        >>> @checked("candidates")
        ... @dataclass(frozen=True)
        ... class Candidates:
        ...     n: PositiveInt = 8
        >>> Candidates(n=0)
        Traceback (most recent call last):
        embedder.errors.ConfigError: candidates.n: expected 1 or more, got 0

    Args:
        prefix: Where the settings stand in the configuration, such as `prepare.rewards`.
    """

    def decorate(kind: type[_T]) -> type[_T]:
        build: Callable[..., None] = kind.__init__
        signature = inspect.signature(build)

        @functools.wraps(build)
        def check_and_build(*args: Any, **keywords: Any) -> None:
            given = signature.bind(*args, **keywords).arguments
            for name, value in list(given.items())[1:]:  # without self
                check_value(f"{prefix}.{name}", value, signature.parameters[name].annotation)
            build(*args, **keywords)

        kind.__init__ = check_and_build  # type: ignore[method-assign]  # that is what it does
        return kind

    return decorate


def check_types(settings: Any, prefix: str) -> None:
    """Check the fields of a dataclass of settings by their annotations; see `check_value`.

    Args:
        settings: An instance.
        prefix: Where it stands in the configuration, such as `prepare.rewards`.
    """
    for field in fields(settings):
        check_value(f"{prefix}.{field.name}", getattr(settings, field.name), field.type)


def check_value(setting: str, value: object, annotation: Any) -> None:
    """Check one value by an annotation.

    Raises:
        ConfigError: The value has another type, such as text where a number or a list belongs, is a number that is not
            finite, or is out of its bound.
    """
    kinds = _alternatives(annotation)
    fitting = [kind for kind in kinds if _fits(value, kind)]
    if not fitting:
        raise ConfigError(setting, _expected_type(kinds, value), value)
    if all(_out_of_bound(value, kind) for kind in fitting):
        null = f", or {_bounds(fitting[0])[0].null}" if any(map(_is_null, kinds)) else ""
        raise ConfigError(setting, _bounds(fitting[0])[0].expected + null, value)


def _expected_type(kinds: Sequence[Any], value: object) -> str:
    words = [word for kind in kinds if _is_literal(kind) for word in get_args(_plain(kind))]
    named = [_one_of(words) if _is_literal(kind) else _named(kind) for kind in kinds]  # several literals are one list
    expected = " or ".join(dict.fromkeys(named))
    if type(value) in (int, float) and not _is_finite(value) and float in map(_plain, kinds):
        expected = expected.replace("a number", "a finite number")
    if isinstance(value, str) and any(_is_list(kind) for kind in kinds):
        expected += f", such as [{value}]"
    return expected


def _bounds(kind: Any) -> list[Bound]:
    return [one for one in getattr(kind, "__metadata__", ()) if isinstance(one, Bound)]


def _out_of_bound(value: Any, kind: Any) -> bool:
    return not all(bound.holds(value) for bound in _bounds(kind))


def _plain(kind: Any) -> Any:
    """The type without its bounds."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _is_null(kind: Any) -> bool:
    return kind is None or kind is NoneType


def _fits(value: object, kind: Any) -> bool:
    kind = _plain(kind)
    if _is_null(kind):
        return value is None
    if kind is float:
        return type(value) in (int, float) and _is_finite(value)
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


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _fits_one_of(value: object, annotation: Any) -> bool:
    """Whether it is an item of a list or a mapping; nothing makes a mapping among items into settings of our own."""
    kinds = (kind for kind in _alternatives(annotation) if not (type(value) is dict and _is_class(kind)))
    return any(_fits(value, kind) and not _out_of_bound(value, kind) for kind in kinds)


def _is_class(kind: Any) -> bool:
    origin = get_origin(_plain(kind)) or _plain(kind)
    return isinstance(origin, type) and origin not in (*_MAPPINGS, Any, object)


def _is_list(kind: Any) -> bool:
    return (get_origin(kind) or kind) in _LISTS


def _named(kind: Any) -> str:
    kind = NoneType if kind is None else _plain(kind)
    if kind in _KINDS:
        return _KINDS[kind]
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin is Literal:
        return _one_of(parts)
    if _is_list(kind):
        return f"a list of {' or '.join(map(_plural, _alternatives(parts[0])))}" if parts else "a list"
    if origin in _MAPPINGS:
        return "a mapping"
    return "settings" if origin is Callable or not isinstance(origin, type) else f"settings of {origin.__name__}"


def _one_of(words: Sequence[Any]) -> str:
    return " or ".join(map(repr, words)) if len(words) < 3 else f"one of {list(words)}"


def _is_literal(kind: Any) -> bool:
    return get_origin(_plain(kind)) is Literal


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _plural(kind: Any) -> str:
    bounds = "".join(f", {bound.expected}" for bound in _bounds(kind))
    return {int: "whole numbers", float: "numbers"}.get(_plain(kind), _named(kind)) + bounds
