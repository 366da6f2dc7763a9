"""Settings are saved, logged and stored with results, so none of them may hold a secret; known secrets are masked."""

import os
import re
from collections.abc import Sequence
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from embedder.entry.faults import end
from embedder.llm.server.address import names_variable
from embedder.shown import hide, holds_secret, shown

_NAME = re.compile(r"(?i)(^|_)(key|token|secret|password|passwd)$")  # of a variable that holds a secret
_SETTING = re.compile(r"(?i)(api_?key|token|secret|password|passwd)$")  # whatever it holds is one
_SHORTEST = 16  # characters; shorter values are words such as `true`, which settings hold too
_BETWEEN_VALUES = re.compile(r"(?<!\w)\w+\(|[\s,()\[\]'\"]+")  # of an override: `a,b`, `choice(a,b)`, `'a'`
_ENVIRONMENT = re.compile(r"\$\{oc\.env:\s*(\w+)")


class RefuseSecrets(Callback):
    """Ends a run whose settings hold a secret before Hydra has written them anywhere."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a run, or a sweep, whose overrides are among the settings of Hydra."""
        hide_environment()
        _refuse(setting_with_secret(OmegaConf.to_container(config, resolve=False)))

    on_multirun_start = on_run_start


def hide_environment() -> None:
    """Mask the values of variables such as `WANDB_API_KEY` and `HF_TOKEN`, wherever they are shown."""
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
    if isinstance(settings, dict):
        named = (setting_with_secret(value, f"{where}.{name}".lstrip(".")) for name, value in settings.items())
        inside = next((setting for setting in named if setting is not None), None)
        return inside or (where if any(holds_secret(str(name)) for name in settings) else None)
    if isinstance(settings, list):
        read = _override_with_secret if where == "hydra.overrides.task" else setting_with_secret
        return next((setting for value in settings if (setting := read(value, where)) is not None), None)
    if where.rpartition(".")[2] == "api_key_env" and settings is not None:
        return where if not _is_interpolated(settings) and not names_variable(settings) else None
    if not isinstance(settings, str):
        return None
    if settings and _SETTING.search(where) and not _is_interpolated(settings):
        return where
    variables = (os.environ.get(name, "") for name in _ENVIRONMENT.findall(settings))
    return where if any(map(holds_secret, (settings, *variables))) else None


def refuse_arguments(arguments: Sequence[str]) -> None:
    """End the process if its command line holds a secret: Hydra would repeat it in its errors."""
    hide_environment()
    _refuse(next((name for text in arguments if (name := _override_with_secret(text)) is not None), None))


def _override_with_secret(override: str, where: str = "the command line") -> str | None:
    """The same for `name=value`, or `name=a,b` of a sweep."""
    name, is_override, value = override.partition("=")
    if not is_override:
        return where if holds_secret(override) else None
    name = name.lstrip("+~")
    values = [part for part in _BETWEEN_VALUES.split(value) if part not in ("", "null")]
    return setting_with_secret([value, *values] if name.rpartition(".")[2] != "api_key_env" else values, name)


def _is_interpolated(value: Any) -> bool:
    """Whether a value is that of another setting; that of a variable of the environment may be the key itself."""
    return str(value).startswith("${") and "oc.env" not in str(value)


def _refuse(setting: str | None) -> None:
    if setting is None:
        return
    end(
        f"{shown(setting)}: holds what looks like a secret, and settings are saved and logged. Nothing was written. "
        "Put a key into an environment variable, and its name (such as LLM_API_KEY) into llm.api_key_env",
        2,
    )
