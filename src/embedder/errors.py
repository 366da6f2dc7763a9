"""The errors that a user can cause, each with enough in its message to mend the cause."""

from pathlib import Path


class EmbedderError(Exception):
    """Base of all errors that this package raises on purpose; entry points print the message without a traceback."""


class ConfigError(EmbedderError):
    """A setting has a value that cannot work."""

    def __init__(self, setting: str, expected: str, got: object) -> None:
        super().__init__(f"{setting}: expected {expected}, got {got!r}")
        self.setting = setting


class DataError(EmbedderError):
    """A file does not hold what it should."""

    def __init__(self, path: Path | str, line: int | None, message: str) -> None:
        where = f"{path}" if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {message}")
        self.path = Path(path)
        self.line = line


class MissingExtraError(EmbedderError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, command: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}, which is not installed. Install it with: {command}")
