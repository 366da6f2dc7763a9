"""A run that consists of others: what each would be by a command of its own."""

from collections.abc import Collection, Sequence
from pathlib import Path

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig

from embedder.entry.settings import check_settings
from embedder.errors import ConfigError


def composed_part(entry: str, overrides: Sequence[str], own: Collection[str], output_dir: Path) -> DictConfig:
    """The configuration that an entry point would have with these overrides and those of this command.

    What the command sets of a task (`tasks.NAME`) holds for the parts that have the task.

    Args:
        entry: `evaluate`, say.
        overrides: Of the part; the command has the last word.
        own: Settings and groups of this command that no part has, such as `experiment`.
        output_dir: Of the part, whose name messages call it by.

    Raises:
        ConfigError: Together they are no configuration of the entry point.
    """
    given = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
    keys = {one: _key(one) for one in given}
    shared = [one for one, key in keys.items() if key[0] not in own]
    try:
        if any(keys[one][0] == "tasks" for one in shared):
            tasks = compose(entry, overrides=list(overrides)).tasks
            shared = [one for one in shared if keys[one][0] != "tasks" or keys[one][1] in tasks]
        config = compose(entry, overrides=[*overrides, *shared])
    except HydraException as error:
        expected = f"what can be set together with the settings of this command ({str(error).splitlines()[0]})"
        raise ConfigError(f"the settings of {output_dir.name}", expected, [*shared, *overrides]) from error
    config.paths.output_dir = str(output_dir)
    check_settings(config, shared)
    return config


def _key(override: str) -> list[str]:
    """Where an override sets something; of a group that is its package, as `tasks.tool` in `consumer@tasks.tool`."""
    element = OverridesParser.create().parse_override(override).get_key_element()
    return element.lstrip("+~").rpartition("@")[2].split(".")
