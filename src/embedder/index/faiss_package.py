"""FAISS itself: one of several packages with the same folder, of which exactly one must be installed."""

import importlib
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from embedder.errors import ConfigError, MissingExtraError

_WHEELS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "faiss-gpu-cu12", "faiss-gpu-cu11")


def installed_faiss() -> dict[str, str]:
    """Which packages of FAISS are installed, with their versions."""
    found = {}
    for name in _WHEELS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def faiss_module() -> Any:
    """The module `faiss`.

    Raises:
        MissingExtraError: It is not installed.
        ConfigError: Two packages have written their files over each other.
    """
    wheels = installed_faiss()
    if len(wheels) > 1:
        names = " and ".join(wheels)
        expected = (
            f"one package of FAISS, because all of them put their files into one folder: "
            f"pip uninstall {' '.join(wheels)}, then install one of them again"
        )
        raise ConfigError("faiss", expected, names)
    try:
        return importlib.import_module("faiss")
    except ModuleNotFoundError as error:
        if error.name != "faiss":
            raise
        command = "pip install faiss-cpu (or faiss-gpu); index=exact searches without it"
        raise MissingExtraError("faiss", command, "this index") from error


def reason(error: Exception) -> str:
    """What FAISS says, without the C++ function and source line before it."""
    return re.sub(r"^Error in .*\.\w+:\d+: (Error: .* failed: )?", "", str(error), flags=re.DOTALL).strip()
