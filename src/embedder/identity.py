"""Names of what is kept on disk, made of the settings and files that it depends on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any


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


def described(value: Any) -> Any:
    """Settings as values of JSON; see `identity`."""
    if is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
        return {"class": type(value).__name__, **described(own)}
    if isinstance(value, Mapping):
        return {str(name): described(one) for name, one in value.items() if one is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [described(one) for one in value]
    if value is None or isinstance(value, str | int | float):
        return value
    if "__repr__" not in {name for kind in type(value).__mro__[:-1] for name in vars(kind)}:
        raise TypeError(f"{value!r} has no text that is the same in every process: give it a __repr__")
    return repr(value)
