"""Settings of consumers are held against their lower bounds."""

from typing import Any

from embedder.errors import ConfigError


def check_least(settings: Any, prefix: str = "consumer", **least: int) -> None:
    """Refuse settings below a bound.

    Args:
        settings: A dataclass of settings.
        prefix: Where it stands in the configuration.
        least: Name of a field -> its smallest value.

    Raises:
        ConfigError: A value is below its bound.
    """
    for name, bound in least.items():
        if getattr(settings, name) < bound:
            raise ConfigError(f"{prefix}.{name}", f"{bound} or more", getattr(settings, name))
