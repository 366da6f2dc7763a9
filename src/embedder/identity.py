"""Settings as plain values: they name folders on disk, and a resumed run is compared with them."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

_DEPTH = 3  # of objects inside objects


def identity(**parts: object) -> str:
    """SHA-256, in hexadecimal, of what a file or folder depends on: of JSON with sorted keys.

    A dataclass counts with its class and its fields, an object of another class with its `repr`. What is None is left
    out, so that a new setting that is off leaves every name as it was. Where the same settings come to give other
    content, the caller raises its part `format`.

    >>> identity(format=1, share=0.1) == identity(share=0.1, format=1, new=None)
    True

    Args:
        parts: Settings, texts, numbers and digests by name, in any order.

    Raises:
        TypeError: A value has no text of its own.
    """
    return hashlib.sha256(json.dumps(described(parts), sort_keys=True).encode()).hexdigest()


def _own_text(value: Any) -> str:
    if "__repr__" not in {name for kind in type(value).__mro__[:-1] for name in vars(kind)}:
        raise TypeError(f"{value!r} has no text that is the same in every process: give it a __repr__")
    return repr(value)


def described(value: Any, of_object: Callable[[Any], Any] = _own_text) -> Any:
    """Settings as values of JSON; see `identity`.

    Args:
        value: Settings, or anything in them.
        of_object: What stands for an object that is neither a dataclass nor a value of JSON.
    """
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
        return {"class": type(value).__name__, **described(own, of_object)}
    if isinstance(value, Mapping):
        return {str(name): described(one, of_object) for name, one in value.items() if one is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [described(one, of_object) for one in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return of_object(value)


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """Settings as values that a checkpoint keeps: an object that was just made is its class and its attributes.

    >>> plain({"index": partial(sorted, reverse=True), "sizes": (1, 2)})
    {'index': ['builtins.sorted', [], {'reverse': True}], 'sizes': [1, 2]}
    """
    return described(value, partial(_attributes, depth=depth))


def _attributes(value: Any, depth: int) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, partial):
        return [plain(value.func), plain(value.args, depth), plain(value.keywords, depth)]
    if isinstance(value, type) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if depth == 0 or not hasattr(value, "__dict__"):
        return name
    return {"class": name, **{key: plain(item, depth - 1) for key, item in sorted(vars(value).items())}}
