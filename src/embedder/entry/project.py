"""Where `conf/` and the files of the demo lie: in a checkout or an editable install, and in an installed wheel."""

from pathlib import Path

from omegaconf import OmegaConf

import embedder
from embedder.errors import ConfigError
from embedder.started import command

_PACKAGE = Path(str(embedder.__file__)).parent


def conf_folder() -> Path:
    """The configuration: a wheel has it inside of the package, a checkout beside `src`."""
    inside = _PACKAGE / "conf"
    return inside if inside.is_dir() else _PACKAGE.parents[1] / "conf"


def checkout() -> str:
    """The checkout that this package is imported from.

    Raises:
        ConfigError: It is an installed wheel, which has no files of the demo.
    """
    folder = _PACKAGE.parents[1]
    if not (folder / "demo" / "data").is_dir():
        expected = "the folder of a checkout of this project (its demo/ is not part of the installed package)"
        raise ConfigError("paths.project", expected, None)
    return str(folder)


def quotient(a: object, b: object) -> int | None:
    """A whole number divided by another, rounded down; None where one is none, which its own setting refuses."""
    return a // b if isinstance(a, int) and isinstance(b, int) and b > 0 else None


OmegaConf.register_new_resolver("checkout", checkout, replace=True)  # ${checkout:} in conf/
OmegaConf.register_new_resolver("command", command, replace=True)  # ${command:train} in texts of --help
OmegaConf.register_new_resolver("quotient", quotient, replace=True)  # ${quotient:a,b} in conf/
