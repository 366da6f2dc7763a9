"""Reading what another process may replace at any moment: all of the old or all of the new, never parts of both."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from embedder.digests import DIGESTS
from embedder.errors import DataError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
State = tuple[int, ...] | bytes | None
_TRIES = 10


def state_of(path: Path) -> State:
    """What differs once a file or a folder of `whole_folder` was replaced; None where there is none.

    Of a folder that has digests these, since the number of a folder that was removed is soon that of another one.
    """
    try:
        if (digests := path / DIGESTS).is_file():
            return digests.read_bytes()
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, *((status.st_size, status.st_mtime_ns) if path.is_file() else ())


def read_as_one(path: Path, read: Callable[[], Result]) -> Result:
    """What reading a file or a folder gives, read again if it was replaced meanwhile.

    Args:
        path: It.
        read: Reads it, in as many steps as that takes. What it raises of parts of two states does not count.

    Raises:
        DataError: It was replaced each time.
    """
    path = path.expanduser()
    for _ in range(_TRIES):
        before = state_of(path)
        try:
            result = read()
        except Exception:
            if state_of(path) == before:
                raise
        else:
            if state_of(path) == before:
                return result
            del result  # before there are two
        logger.info("%s was replaced while it was read, so it is read again", path)
    raise DataError(path, None, f"replaced {_TRIES} times while it was read: wait until it stays, or read a copy")


def copy_as_one(folder: Path, copy: Path) -> None:
    """Copy a folder as it is at one moment, for what takes long or reads it in several steps.

    Args:
        folder: It.
        copy: A folder whose contents are removed.
    """

    def read() -> None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)

    read_as_one(folder, read)
