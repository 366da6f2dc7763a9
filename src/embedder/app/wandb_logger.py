"""The logger of Weights & Biases, for those who asked for it or are logged in."""

import os
from netrc import NetrcParseError, netrc
from typing import Any, Literal

from embedder.errors import ConfigError


def wandb_logger(when: Literal["logged_in", "always", "never"] = "logged_in", **settings: Any) -> Any:
    """A Lightning logger, or None where nobody wants one.

    Args:
        when: `logged_in` where a key of Weights & Biases is at hand or `WANDB_MODE` is set; `always` off line too.
        settings: Of `lightning.pytorch.loggers.WandbLogger`.
    """
    if when not in ("logged_in", "always", "never"):
        raise ConfigError("logger.wandb.when", "logged_in, always or never", when)
    if when == "never" or (when == "logged_in" and not _is_wanted()):
        return None
    from lightning.pytorch.loggers import WandbLogger

    return WandbLogger(**settings)


def _is_wanted() -> bool:
    """Without a word to the network: a key in the environment or in the file where `wandb login` writes it."""
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
