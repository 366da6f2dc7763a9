"""Large files that carry their SHA-256 at their end, each made once by whichever of several processes is free."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from embedder.digests import once, read_digest
from embedder.files import whole_file
from embedder.locks import claimed, holder
from embedder.waiting import Waiting

T = TypeVar("T")

_DIGEST = 32  # bytes of SHA-256, behind the content


@dataclass(frozen=True)
class SealedFile:
    """A file that is being written.

    Args:
        file: Where the content goes.
    """

    file: BinaryIO
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, content: bytes | memoryview) -> int:
        """Append content; returns how many bytes that were."""
        self.digest.update(content)
        return self.file.write(content)


@contextmanager
def sealed_file(path: Path) -> Iterator[SealedFile]:
    """Write a file that appears completely or not at all, with the SHA-256 of its content behind it."""
    with whole_file(path) as file:
        sealed = SealedFile(file)
        yield sealed
        file.write(sealed.digest.digest())


def is_whole(path: Path) -> bool:
    """Whether there is a sealed file that is as it was written. All of it is read, once in a process."""
    with suppress(FileNotFoundError):  # another process may just be removing it
        return path.is_file() and once("sealed", path, _has_its_digest)
    return False


def make_if_free(path: Path, make: Callable[[], object]) -> bool:
    """Make a sealed file, unless it is there or another process, of this run or of any, is making it.

    Returns:
        Whether it is there.
    """
    if is_whole(path):
        return True
    with claimed(_lock_of(path)) as free:
        if free and not is_whole(path):
            make()
    return free


def make_all(wanted: Iterable[T], path_of: Callable[[T], Path], make: Callable[[T], object]) -> None:
    """Make what no other process is making, then wait for what others are making, or make that too if they end.

    Args:
        wanted: What is to be made.
        path_of: Its sealed file.
        make: Makes it.
    """
    left, waiting = list(wanted), Waiting()
    while left := [one for one in left if not make_if_free(path_of(one), partial(make, one))]:
        waiting.pause(partial(_others, path_of(left[0]), len(left)))


def _others(path: Path, n: int) -> str:
    """Who is making what."""
    return f"{n} files that others make; {holder(_lock_of(path))} has {path}"


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _has_its_digest(path: Path) -> bool:
    digest, written = read_digest(path, behind=_DIGEST)
    return written == digest
