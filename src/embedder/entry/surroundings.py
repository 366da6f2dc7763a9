"""Makes a run independent of its surroundings: what reads its output, a home folder, what libraries say."""

import getpass
import io
import logging
import os
import signal
import stat
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class _Pipe(io.FileIO):
    """A stream of this process whose reader may end, as in `embedder train ... | head`."""

    outlasts_reader: bool

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            if not self.outlasts_reader:
                os._exit(128 + signal.SIGPIPE)  # as the signal does; an exception would be told as Python flushes
            _to_nowhere(self.fileno())
            return super().write(data)


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)


def settle_streams(*, outlast_reader: bool) -> None:
    """Let no text end a run because the locale or the terminal lacks its letters, or because nothing reads it.

    Args:
        outlast_reader: Whether the run goes on when what reads its output ends; or else it ends too, without a message.
    """
    _leave_ascii()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # closed: the next file that is opened would get this number, and its texts
            _to_nowhere(number)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        stream.reconfigure(errors="replace")
        with suppress(OSError):  # a stream without a file
            if stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode):
                pipe = _Pipe(stream.fileno(), "wb", closefd=False)
                pipe.outlasts_reader = outlast_reader
                stream.flush()
                text = io.BufferedWriter(pipe)
                setattr(sys, name, io.TextIOWrapper(text, stream.encoding, "replace", line_buffering=name == "stderr"))


def _leave_ascii() -> None:
    """Start this process over in UTF-8 mode if names of files and arguments have no letters but those of ASCII.

    So it is with LC_ALL=C and PYTHONUTF8=0: what a user names `daten-é` could be opened, but not written down.
    """
    if sys.getfilesystemencoding() == "ascii":
        os.environ["PYTHONUTF8"] = "1"  # for the processes that this one starts
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606  # there is no shell


def settle(fallback: Path) -> None:
    """Give a user without home folder or name both, before libraries look for them as they are imported.

    Args:
        fallback: The home folder of such a user.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user-{os.getuid()}"
    if (lacking := _lacking_home()) is not None:
        fallback.mkdir(parents=True, exist_ok=True)
        os.environ["HOME"] = str(fallback.absolute())
        logger.warning(
            "%s: libraries keep their settings and caches in %s; HOME=FOLDER chooses another", lacking, fallback
        )


def _lacking_home() -> str | None:
    """What is wrong with the home folder."""
    try:
        home = Path.home()
    except RuntimeError:
        return "HOME is not set, and this user has no home folder"
    caches = home / ".cache"  # may well be there where nothing more can be written, with what is needed in it
    try:
        caches.mkdir(exist_ok=True)
    except OSError as error:
        return f"HOME={home} cannot be written ({error.strerror})"
    return None


def quiet_libraries() -> None:
    """Libraries speak when something is wrong; progress and one line a stage are ours."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # workers fork after the tokenizer has been used
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # FAISS and torch share the cores
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    # Between Lightning and torch, for their developers.
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
    for name in (
        "httpx",
        "urllib3",
        "faiss",
        "sentence_transformers",
        "lightning.pytorch.utilities.rank_zero",
        "lightning.pytorch.trainer.connectors.checkpoint_connector",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
