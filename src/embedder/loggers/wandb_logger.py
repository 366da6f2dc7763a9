"""The logger of Weights & Biases, if it is set or the user is logged in."""

import importlib.util
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any, Literal

from embedder.errors import ConfigError, MissingExtraError, extra

logger = logging.getLogger(__name__)


def wandb_logger(when: Literal["logged_in", "always", "never"] = "logged_in", **settings: Any) -> Any:
    """A Lightning logger, or None if it is not wanted.

    Args:
        when: `logged_in`: only if there is a key of Weights & Biases or `WANDB_MODE` is set; `always`; `never`.
        settings: Of `lightning.pytorch.loggers.WandbLogger`.

    Raises:
        MissingExtraError: It is always wanted, and not installed.
    """
    if when not in ("logged_in", "always", "never"):
        raise ConfigError("logger.wandb.when", "logged_in, always or never", when)
    if when == "never" or (when == "logged_in" and not _is_wanted()):
        return None
    if importlib.util.find_spec("wandb") is None:
        if when == "always":
            raise MissingExtraError("wandb", extra("wandb"), "logger.wandb.when=always")
        logger.info("no run of Weights & Biases: wandb is not installed (%s)", extra("wandb"))
        return None
    from lightning.pytorch.loggers import WandbLogger

    return WandbLogger(**settings)


def _is_wanted() -> bool:
    """Without the network: whether a key is in the environment or in the file where `wandb login` writes it."""
    mode = os.environ.get("WANDB_MODE")
    if mode is not None:
        return mode != "disabled"
    if "WANDB_API_KEY" in os.environ:
        return True
    try:
        hosts = netrc().hosts
    except (OSError, NetrcParseError):
        return False
    return any("wandb" in host for host in hosts)


@contextmanager
def finishing_wandb() -> Iterator[None]:
    """End what is logged inside: the next run of a sweep gets a run of its own.

    One that failed or was stopped is shown as such.
    """
    exit_code = 1
    try:
        yield
        exit_code = 0
    finally:
        if (wandb := sys.modules.get("wandb")) is not None:
            wandb.finish(exit_code=exit_code)


def keep_as_artifact(directory: Path, loggers: Iterable[Any]) -> None:
    """Hand an exported model to Weights & Biases, where it is among the loggers."""
    from lightning.pytorch.loggers import WandbLogger

    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.log_artifact(str(directory), f"export-{logger.experiment.id}", "model")
