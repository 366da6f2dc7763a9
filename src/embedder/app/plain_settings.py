"""Settings as values that a checkpoint keeps and that another run is held against."""

import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

_DEPTH = 3  # of settings inside settings


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """Settings as values that a checkpoint keeps: an object that was just made is its class and its attributes.

    >>> plain({"index": partial(sorted, reverse=True), "sizes": (1, 2)})
    {'index': ['builtins.sorted', [], {'reverse': True}], 'sizes': [1, 2]}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
        return {"class": type(value).__name__, **{name: plain(item) for name, item in own.items() if item is not None}}
    if isinstance(value, Mapping):
        return {str(name): plain(item, depth) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth) for item in value]
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
