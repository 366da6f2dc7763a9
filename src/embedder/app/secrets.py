"""Settings are saved, logged and stored with results, so none of them may hold a secret; known secrets are masked."""

import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from embedder.models.server_address import names_variable
from embedder.shown import hide, holds_secret, shown

_NAME = re.compile(r"(?i)(^|_)(key|token|secret|password|passwd)$")  # of a variable that holds a secret
_SHORTEST = 16  # characters; shorter values are words such as `true`, which settings hold too
_ENVIRONMENT = re.compile(r"\$\{oc\.env:\s*(\w+)")


class RefuseSecrets(Callback):
    """Ends a run whose settings hold a secret before Hydra has written them anywhere."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a single run."""
        _refuse(config)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a sweep: its overrides are among the settings of Hydra."""
        _refuse(config)


def hide_environment() -> None:
    """Mask what the environment holds under names such as `WANDB_API_KEY` and `HF_TOKEN`, whoever shows it."""
    for name, value in os.environ.items():
        # Paths of key files end in such names too.
        if _NAME.search(name) and len(value) >= _SHORTEST and not value.startswith(("/", ".", "~")):
            hide(value)


def setting_with_secret(settings: Any, where: str = "") -> str | None:
    """The name of the first setting that holds a secret, or what looks like one; None where none does.

    Args:
        settings: Plain values, lists and dictionaries, interpolations not resolved.
        where: The name of the setting itself.
    """
    if where.rpartition(".")[2] == "api_key_env" and settings is not None:
        interpolated = str(settings).startswith("${") and "oc.env" not in str(settings)
        return None if interpolated or names_variable(settings) else where
    if isinstance(settings, str):
        variables = (os.environ.get(name, "") for name in _ENVIRONMENT.findall(settings))
        return where if any(map(holds_secret, (settings, *variables))) else None
    return next((found for name, one in _parts(settings, where) if (found := setting_with_secret(one, name))), None)


def _parts(settings: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Name and value of what a setting is made of; a name is a value too."""
    if isinstance(settings, dict):
        for name, value in settings.items():
            yield where, str(name)
            yield f"{where}.{name}" if where else str(name), value
    elif isinstance(settings, list):
        for value in settings:
            override, is_override, own = str(value).partition("=")
            own_name = override.lstrip("+~") if is_override and where == "hydra.overrides.task" else where
            yield from ((own_name, one) for one in (own.split(",") if own_name != where else [value]))


def _refuse(config: DictConfig) -> None:
    hide_environment()
    found = setting_with_secret(OmegaConf.to_container(config, resolve=False))
    if found is None:
        return
    sys.stderr.write(
        f"{shown(found)}: holds what looks like a secret, and settings are saved and logged. Nothing was written. Put "
        "a key into an environment variable, and the name of that variable (such as LLM_API_KEY) into llm.api_key_env\n"
    )
    sys.exit(2)
