"""Files and folders that appear completely or not at all, however the process that writes them ends."""

import ctypes
import errno
import hashlib
import json
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from embedder.digests import DIGESTS, damage, digest_of
from embedder.locks import in_turn

logger = logging.getLogger(__name__)

_OWNER = re.compile(r"\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.partial$")
_HERE, _EXCHANGE = -100, 2  # of renameat2: paths as they are (AT_FDCWD), RENAME_EXCHANGE
_ABANDONED = 7 * 86400  # seconds without a write, where it cannot be asked whether the owner lives


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write it under a temporary name; see `whole_path`."""
    with whole_path(path) as partial, partial.open("wb") as file:
        yield file


@contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name, renamed when all is on the disk: a reader sees all or nothing.

    Where writing fails, what was there before stays.

    Yields:
        Where to write.
    """
    partial = _partial(path)
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a text so that a reader sees all of it or nothing."""
    with whole_file(path) as file:
        file.write(text.encode())


@contextmanager
def whole_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Make a folder under a temporary name, renamed when all is on the disk, with the digests of its files.

    Where writing fails, nothing is left behind. Where another process was quicker, its folder stays, unless it is to be
    replaced: a folder is `locked`, or named by what it is made of, as for `make_once`.

    Args:
        path: What it is called in the end.
        replace: Whether an existing one is replaced.

    Yields:
        Where to write.
    """
    partial = _partial(path)
    partial.mkdir()
    moved_aside: list[Path] = []
    try:
        yield partial
        _seal(partial)
        while not _renamed(partial, path):
            if not replace:
                logger.info("another process has written %s meanwhile", path)
                break
            if _swapped(partial, path):
                break
            moved_aside.append(_partial(path))
            with suppress(FileNotFoundError):  # another process, which replaces it too, has just moved it
                path.rename(moved_aside[-1])
        _sync(path.parent)
    finally:
        for folder in (partial, *moved_aside):
            shutil.rmtree(folder, ignore_errors=True)


def copy_folder(source: Path, path: Path) -> None:
    """Copy a folder that `whole_folder` made; an existing one is replaced, and a reader sees the old one or the new."""
    with whole_folder(path, replace=True) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns(DIGESTS))


def _renamed(folder: Path, path: Path) -> bool:
    """Give a folder its name; False where another one has it."""
    try:
        folder.rename(path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _swapped(folder: Path, path: Path) -> bool:
    """Let two folders take each other's name in one step, so that there is one of that name at any moment.

    False where the system cannot (not Linux, some network disks): there is none for as long as two renamings take.
    """
    swap = getattr(ctypes.CDLL(None), "renameat2", None)
    return swap is not None and swap(_HERE, os.fsencode(folder), _HERE, os.fsencode(path), _EXCHANGE) == 0


def make_once(folder: Path, write: Callable[[Path], object], again: str = "it is made again") -> bool:
    """Make a folder that is named by what it is made of, unless it exists undamaged.

    Of several processes that come to it at once, on this machine, one writes and the others wait. A folder that was
    damaged since is made again.

    Args:
        folder: Its name; nothing happens where it is whole.
        write: Writes into the folder that it is given.
        again: What the log says of a damaged folder, after what is wrong with it.

    Returns:
        Whether this call wrote it.

    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp()) / "made"
    >>> [make_once(folder, lambda partial: (partial / "a").write_text("abc")) for _ in range(2)]
    [True, False]
    """
    if folder.is_dir() and damage(folder) is None:
        return False
    with in_turn(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            if (wrong := damage(folder)) is None:
                return False  # another process has just made it
            logger.warning("%s: %s; %s", folder, wrong, again)
        with whole_folder(folder, replace=folder.is_dir()) as partial:  # where locks fail, the first one stays
            write(partial)
    return True


def remove_orphans(folder: Path) -> None:
    """Delete what killed processes have left half-written in a folder."""
    for partial in folder.glob(".*.partial"):
        with suppress(OSError):  # its owner, or another process that cleans up, is just done with it
            if not _is_orphan(partial):
                continue
            logger.info("removing %s, which a process that ended has left half-written", partial)
            if partial.is_dir():
                shutil.rmtree(partial)
            else:
                partial.unlink()


def _partial(path: Path) -> Path:
    """A name beside a path, so that it can be renamed, that no other process on any machine takes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans_once(path.parent)
    return path.with_name(f".{path.name[:40]}.{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.partial")


_remove_orphans_once = cache(remove_orphans)


@cache
def _machine() -> str:
    """Names this machine since it was started, and the space that process numbers are of: containers have their own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        here = f"{boot}{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux: nobody can ask whether a process lives, age decides
        here = uuid.uuid4().hex
    return hashlib.sha256(here.encode()).hexdigest()[:8]


def _is_orphan(partial: Path) -> bool:
    named = _OWNER.search(partial.name)
    if named is None:
        return False
    if named["machine"] == _machine():
        try:
            os.kill(int(named["process"]), 0)  # sends nothing
        except ProcessLookupError:
            return True
        except OSError:
            pass
        return False  # it lives: no time decides, since the clock may have been set
    written = (path.stat().st_mtime for path in (partial, *partial.rglob("*")))
    return time.time() - max(written) > _ABANDONED


def _seal(folder: Path) -> None:
    """Bring all files of a folder to the disk, and note their digests."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        _sync(path)
        digests[path.relative_to(folder).as_posix()] = digest_of(path)
    write_atomically(folder / DIGESTS, json.dumps(digests, indent=1))
    for path in (*folder.rglob("*"), folder):
        if path.is_dir():
            _sync(path)


def _sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk, where the system allows it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows cannot open folders
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that has no such thing
            raise
    finally:
        os.close(descriptor)
