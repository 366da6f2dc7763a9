"""The logger of TensorBoard, where that is installed."""

import importlib.util
from typing import Any, Literal

from embedder.errors import ConfigError, MissingExtraError, extra


def tensorboard_logger(when: Literal["installed", "always", "never"] = "installed", **settings: Any) -> Any:
    """A Lightning logger, or None if it is not wanted.

    Args:
        when: `installed`: only if the package is there; `always`; `never`.
        settings: Of `lightning.pytorch.loggers.TensorBoardLogger`.

    Raises:
        MissingExtraError: It is always wanted, and not installed.
    """
    if when not in ("installed", "always", "never"):
        raise ConfigError("logger.tensorboard.when", "installed, always or never", when)
    installed = importlib.util.find_spec("tensorboard") is not None
    if when == "never" or (when == "installed" and not installed):
        return None
    if not installed:
        raise MissingExtraError("tensorboard", extra("tensorboard"), "logger.tensorboard.when=always")
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(**settings)
