"""Errors of libraries about a damaged or a foreign model, as one line that names the setting."""

from collections.abc import Iterator
from contextlib import contextmanager

from embedder.errors import ConfigError, EmbedderError, lacks_memory
from embedder.shown import shown

CODE_NEEDED = "it needs code of its own, which is never run here; transformers itself does not know its kind"


@contextmanager
def loading(setting: str, name: object, what: str, unless: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn any error of a library about a damaged or a foreign folder into one line.

    Args:
        setting: What names the folder.
        name: Its value.
        what: What was to be loaded, such as `a causal LM`.
        unless: Errors that stay as they are.

    Raises:
        ConfigError: Any error other than this project's own and a lack of memory is raised as this one.
    """
    try:
        yield
    except EmbedderError:
        raise
    except Exception as error:  # the tokenizers library raises nothing narrower
        if isinstance(error, unless) or lacks_memory(error):
            raise
        raise ConfigError(setting, f"{what} that can be loaded ({reason(error)})", str(name)) from error


def reason(error: BaseException) -> str:
    """The first line of what an error of a library says."""
    if "trust_remote_code" in str(error):
        return CODE_NEEDED
    line = next((line for line in str(error).splitlines() if line.strip()), "")
    return shown(f"{type(error).__name__}: {line}" if isinstance(error, KeyError | TypeError) else line or error)
