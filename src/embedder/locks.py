"""One process at a time: locks of folders, and work that only one of several processes does."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from embedder.errors import DataError
from embedder.waiting import Waiting

logger = logging.getLogger(__name__)

_UNNAMED = "another process"
_held: set[Path] = set()
"""Folders that this process has locked."""


@contextmanager
def locked(folder: Path, setting: str = "hydra.run.dir") -> Iterator[None]:
    """Hold a folder for this process, which may hold it already; the lock goes when the process does, however it ends.

    Args:
        folder: It is made if it is not there.
        setting: Which setting chooses it.

    Raises:
        DataError: Another process holds it.
    """
    if (own := folder.absolute()) in _held:  # a second lock would go well, and its end would end the first one
        yield
        return
    with _lock(folder / ".lock") as (file, owner):
        if owner is not None:
            message = f"{owner} writes into this folder: wait for its end, or choose another with {setting}=FOLDER"
            raise DataError(folder, None, message)
        _sign(file)
        _held.add(own)
        try:
            yield
        finally:
            _held.discard(own)


@contextmanager
def in_turn(path: Path) -> Iterator[bool]:
    """Run work that several processes need one process at a time: the first does it, the others wait.

    The lock goes when its process does, however it ends.

    Args:
        path: A file that stands for it.

    Yields:
        Whether this process had to wait, so that another one may have done it.
    """
    waiting, waited = Waiting(), False
    while True:
        with _lock(path) as (file, owner):
            if owner is None and _is_at(file, path):  # who held it removes it: another process may hold a new one
                _sign(file)
                try:
                    yield waited
                finally:
                    path.unlink(missing_ok=True)
                return
        waited = waited or owner is not None
        waiting.pause(partial("{}, which is doing the same work ({})".format, owner, path))


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Take a piece of work that other processes may take too, without waiting for them.

    Args:
        path: A file that stands for it.

    Yields:
        Whether no other process has it. The claim goes when its process does, however it ends.
    """
    with _lock(path) as (file, owner):
        if free := owner is None and _is_at(file, path):
            _sign(file)
        try:
            yield free
        finally:
            if free:
                path.unlink(missing_ok=True)


def holder(path: Path) -> str:
    """Which process has a claim, as far as its file says."""
    try:
        return path.read_text(encoding="utf-8").strip() or _UNNAMED
    except OSError:
        return _UNNAMED


def _is_at(file: TextIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _lock(path: Path) -> Iterator[tuple[TextIO, str | None]]:
    """A file that this process has locked, or else who has."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        owner = None
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not flock, which worker processes would inherit
        except (BlockingIOError, PermissionError):
            file.seek(0)
            owner = file.read(200).strip() or _UNNAMED
        except OSError as error:
            logger.warning("%s cannot be locked (%s), so do not start two runs that do the same work", path, error)
        yield file, owner


def _sign(file: TextIO) -> None:
    """Say in a lock file who holds it."""
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()} (started {time.strftime('%Y-%m-%d %H:%M:%S')})\n")
    file.flush()
