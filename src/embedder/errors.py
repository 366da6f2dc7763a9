"""The errors that a user can cause, each with a message that says how to correct the cause."""

import errno
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from embedder.origins import origin
from embedder.shown import MESSAGE_LIMIT, shown, shown_message

DISTRIBUTION = "embedder-llm"
"""The name to install by; `embedder` is another project on PyPI."""
_NO_MEMORY = re.compile(
    r"out of memory|can't allocate memory|not enough memory|Unable to allocate|bad_alloc|Cannot allocate memory"
    r"|could not create a (primitive|memory)"  # oneDNN
    r"|can't start new thread"  # its stack takes megabytes
)
_VALUE = 1000  # characters of a value or of what is said about it


class EmbedderError(Exception):
    """Base of all errors that this package raises on purpose; entry points print the message without a traceback.

    Text that the message quotes is cleaned here (`embedder.shown`), so that no code that raises an error can forget it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shown_message(message))


class ConfigError(EmbedderError):
    """A setting has a value that cannot work."""

    def __init__(self, setting: str, expected: str, got: object) -> None:
        super().__init__(shown(f"{setting}: expected {expected}, got {shown(repr(got), _VALUE)}", MESSAGE_LIMIT))
        self.setting, self.expected, self.got = setting, expected, got


class DataError(EmbedderError):
    """A file has wrong content; if it was converted from a user's file, the message names the user's file."""

    def __init__(self, path: Path | str, line: int | None, message: str) -> None:
        path, line = origin(Path(path), line)
        where = f"{path}" if line is None else f"{path}:{line}"
        super().__init__(shown(f"{where}: {shown_message(message, _VALUE)}", MESSAGE_LIMIT))
        self.path = path
        self.line = line


class ProtocolError(EmbedderError):
    """Two results were measured in different ways, so that comparing them would say nothing about the retrievers.

    Args:
        what: What was to be compared.
        differing: Name of each field that differs, with its value in A and in B.
        hint: What can be compared nevertheless.
    """

    def __init__(self, what: str, differing: Sequence[tuple[str, object, object]], hint: str = "") -> None:
        lines = [f"{what}: measured in different ways, so they are not compared; what differs:"]
        lines += [f"  {shown(name)}: {shown(repr(a))} in A, {shown(repr(b))} in B" for name, a, b in differing]
        super().__init__("\n".join([*lines, *([hint] if hint else [])]))
        self.differing = tuple(differing)


class PromptTooLongError(EmbedderError):
    """A prompt with its output is longer than the LLM reads.

    Args:
        message: How long, and what to do.
        prompt: All of it.
    """

    def __init__(self, message: str, prompt: str) -> None:
        super().__init__(message)
        self.prompt = prompt


class NoTokensError(EmbedderError):
    """A text has no tokens, so that it has no vector; a tokenizer that adds special tokens gives every text some.

    Args:
        position: Of the text among those that were to be encoded.
        text: It.
    """

    def __init__(self, position: int, text: str) -> None:
        super().__init__(f"encoder: text {position + 1} has no tokens: {shown(repr(text), 80)}")
        self.position = position


class TrainingError(EmbedderError):
    """Training cannot continue with its current numbers, such as a loss that is NaN."""


class Interrupted(EmbedderError):  # noqa: N818  # nothing went wrong
    """A signal ended the run, and what was done so far is kept.

    Args:
        message: How to resume.
        signal_number: Of the signal; the exit status is 128 more, as a shell expects.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.status = 128 + signal_number


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short, on the system or on a device: nothing is wrong with what was read.

    >>> lacks_memory(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB."))
    True
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError | OSError) and _NO_MEMORY.search(str(error)) is not None


@contextmanager
def reading(
    path: Path, message: str, *kinds: type[Exception], said: Callable[[Exception], object] = str
) -> Iterator[None]:
    """While a file is read: what its reader says of wrong bytes is said of the file.

    Args:
        path: The file.
        message: What is wrong with it, and what to do.
        kinds: Errors by which the reader says that bytes are wrong; a lack of memory may be of the same kinds.
        said: What the message quotes of such an error.

    Raises:
        DataError: In place of an error of these kinds that is no lack of memory.
    """
    try:
        yield
    except kinds as error:
        if lacks_memory(error):
            raise
        raise DataError(path, None, f"{message} ({said(error)})") from error


def how_to_resume(output_dir: Path | str) -> str:
    """How to resume a run that was stopped and left a checkpoint in its folder, as the end of a message."""
    return f"to resume, run the same command with hydra.run.dir={output_dir} run.checkpoint=last"


def extra(name: str) -> str:
    """The command that installs an extra of this package."""
    return f"pip install '{DISTRIBUTION}[{name}]'"


class MissingExtraError(EmbedderError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, command: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}, which is not installed. Install it with: {command}")
