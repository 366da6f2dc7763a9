"""Errors of the system and of libraries as one line with advice; an error in this project stays an exception."""

import errno
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from embedder.errors import ConfigError, EmbedderError, how_to_resume, lacks_memory
from embedder.shown import shown, shown_message

_PLACES = (
    "paths.root, paths.data_dir, paths.store_dir, vectors.directory and hydra.run.dir say where this run writes, "
    "TMPDIR where its temporary files lie"
)
_CACHES = "HF_HOME and XDG_CACHE_HOME where caches lie"
_OF_SYSTEM = {
    errno.ENOSPC: f"the disk is full; free some of it, or write elsewhere ({_PLACES}), and run the same command again",
    errno.EDQUOT: f"the quota is used up; free some of it, or write elsewhere ({_PLACES})",
    errno.EROFS: f"this disk can only be read; {_PLACES}, {_CACHES}",
    errno.EACCES: f"no permission; {_PLACES}, {_CACHES}",
    errno.EPERM: f"not permitted; {_PLACES}, {_CACHES}",
    errno.EMFILE: "too many files are open at once; ulimit -n 4096 allows more",
    errno.EADDRINUSE: "the port is in use, perhaps by another run; MASTER_PORT=NUMBER chooses another one",
}
_LEAST_MEMORY = (
    "encoder.cached_gradients=true, or fewer encoder.micro_batch_tokens, take a batch in less memory; then fewer "
    "data.batch_size, encoder.encode_tokens (of a corpus) or llm.batch_tokens (of the LLM)"
)
_PROCESS_ENDED = re.compile(
    r"gloo|NCCL error|Connection (closed|reset) by peer|DataLoader worker \(pid|process \d+ terminated", re.IGNORECASE
)
_OF_OURS_ELSEWHERE = re.compile(r"^embedder\.errors\.\w+: (.+)$", re.MULTILINE)  # the traceback of another process
_NO_VECTOR = "index out of range in self"  # torch, of rows of an embedding
_NO_HOME = re.compile(r"home directory|getpwuid|uid not found")
_USERS = (
    "TypeError",
    "ValueError",
    "ImportError",
    "ModuleNotFoundError",
    "MisconfigurationException",
    "ValidationError",
)


def message_for_user(error: BaseException, config: Any = None, output_dir: Path | None = None) -> str | None:
    """The line for a user.

    Args:
        error: What was raised, with its causes.
        config: The composed configuration, to name the key that a user sets.
        output_dir: Of the run, for the checkpoint to resume from.

    Returns:
        None if it is an error in this project, which a user cannot correct.
    """
    causes = list(_causes(error))
    of_ours = () if any(map(lacks_memory, causes)) else causes  # what they say of a file or a setting is wrong then
    for cause in of_ours:
        if isinstance(cause, ConfigError) and config is not None:
            return str(_under_users_key(cause, causes, config))
        if isinstance(cause, EmbedderError):
            return str(cause)
    for cause in causes:
        if (line := _of_config(cause, config) or _of_libraries(cause, output_dir)) is not None:
            return line
    return None


def _under_users_key(error: ConfigError, causes: Sequence[BaseException], config: Any) -> ConfigError:
    """The same error under the key that a user sets: a class knows `task.sampling` only, not of which task it is."""
    from omegaconf import OmegaConf

    from embedder.entry.settings import users_key

    node, _, name = error.setting.rpartition(".")
    for built in (str(cause).rpartition("full_key: ")[2].strip() for cause in causes if "full_key: " in str(cause)):
        users = users_key(config, built)
        same_node = node.rpartition(".")[2] == users.rpartition(".")[2]
        if same_node and name in (OmegaConf.select(config, users) or ()):
            return ConfigError(f"{users}.{name}", error.expected, error.got)
    return error


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _of_config(error: BaseException, config: Any) -> str | None:
    """An error of building the run from its configuration."""
    from hydra.errors import InstantiationException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, OmegaConfBaseException):
        return shown(str(error).splitlines()[0], 500)
    if not isinstance(error, InstantiationException):
        return None
    from embedder.entry.settings import users_key

    text, cause = str(error), error.__cause__
    key = text.rpartition("full_key: ")[2].strip() if "full_key: " in text else "run"
    key = key if config is None else users_key(config, key if key.startswith("run") else f"run.{key}")
    if (target := re.search(r"Error locating target '([^']*)'", text)) is not None:
        if target[1].startswith("embedder."):  # it is there: settings are checked before
            return None
        return str(ConfigError(f"{key}._target_", "a class or function that can be imported", target[1]))
    if cause is not None and any(kind.__name__ in _USERS for kind in type(cause).__mro__):
        return f"{key}: {_first_line(cause)}"
    return None


def _of_libraries(error: BaseException, output_dir: Path | None) -> str | None:
    """An error of the system, of memory, of another process, or of settings that Lightning refuses."""
    text = str(error)
    if (ours := _OF_OURS_ELSEWHERE.search(text)) is not None:
        return ours[1]
    if lacks_memory(error):
        return f"out of memory ({_first_line(error)}); {_LEAST_MEMORY}"
    if isinstance(error, RuntimeError | KeyError) and _NO_HOME.search(text):
        return "this user has no home folder: HOME=FOLDER names one, where libraries keep their caches"
    if isinstance(error, IndexError) and text == _NO_VECTOR:
        return (
            "a text has a token that the model has no vector for: the tokenizer in the folder of encoder.name, "
            "llm.name or checkpoint belongs to another model, or is damaged"
        )
    if _is_of_processes(error):
        return (
            f"another process of this run ended ({_first_line(error)}); what it said stands above{_go_on(output_dir)}"
        )
    if type(error).__name__ == "MisconfigurationException":
        return f"trainer: {_first_line(error)}"
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):  # of a folder: each file's error as a text
        _, place, reason = error.args[0][0]
        number = re.search(r"\[Errno (\d+)\]", reason)
        error = OSError(int(number[1]) if number else 0, reason, place)
    if isinstance(error, OSError):
        name = "" if error.filename is None else f"{shown(error.filename, 500)}: "
        reason = _OF_SYSTEM.get(error.errno or 0) or error.strerror or _first_line(error)
        return f"{name}{reason}"
    return None


def _is_of_processes(error: BaseException) -> bool:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"DistBackendError", "DistNetworkError", "DistStoreError", "ProcessExitedException"}:
        return True
    return isinstance(error, RuntimeError) and _PROCESS_ENDED.search(str(error)) is not None


def _go_on(output_dir: Path | None) -> str:
    if output_dir is None or not (output_dir / "checkpoints" / "last.ckpt").is_file():
        return ""
    return f"; {how_to_resume(output_dir)}"


def _first_line(error: BaseException) -> str:
    return shown(next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__), 300)


def end(line: str, status: int) -> NoReturn:
    """End the process with a message."""
    sys.stderr.write(f"{shown_message(line)}\n")
    sys.exit(status)
