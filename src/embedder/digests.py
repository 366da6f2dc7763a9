"""SHA-256 of files, each read once in a process, and what has been damaged since it was written."""

import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from embedder.errors import reading

Result = TypeVar("Result")

DIGESTS = "digests.json"
"""In a folder of `whole_folder`: SHA-256 of each of its files."""
_SETTLED = 2.0  # seconds; a younger file may change within the resolution of its time stamp
_LARGE = 2e9  # bytes that take seconds to read
_PIECE = 1 << 18  # bytes that are read together, as hashlib.file_digest does
_read: dict[tuple[str, Path, int, int, int], Any] = {}


def damage(folder: Path) -> str | None:
    """What is wrong with a folder of `whole_folder`, in words; None where each file is as it was written.

    Every file is read, once in a process: that takes no longer than what uses them, which reads them too, and neither
    size nor time stamp shows that a disk lost data. Files that were added later are not checked.
    """
    try:
        digests = dict(json.loads((folder / DIGESTS).read_text(encoding="utf-8")))
        wrong = next((name for name, digest in digests.items() if digest_of(folder / name) != digest), None)
    except FileNotFoundError as error:
        return f"{Path(str(error.filename)).name} is missing"
    except (ValueError, TypeError):
        return f"{DIGESTS} cannot be read"
    return None if wrong is None else f"{wrong} is not as it was written"


@contextmanager
def expecting_own(path: Path) -> Iterator[None]:
    """While a small file of this project's is read that has no digest: what no longer is as it was written is named.

    Raises:
        DataError: In place of what a parser or a constructor raises.
    """
    kinds = (ValueError, TypeError, KeyError, AttributeError)
    with reading(path, "damaged, not what an earlier run wrote: delete it", *kinds, said=repr):
        yield


def damage_of_archive(path: Path) -> str | None:
    """What is wrong with a zip archive, as torch writes, in words; None where each part has its checksum.

    torch writes these checksums and does not look at them when it reads. It is read once in a process, as for
    `digest_of`.
    """
    return once("archive", path, _damage_of_archive)


def _damage_of_archive(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        return f"not a whole archive ({error})"
    return None if wrong is None else f"its part {wrong} is not as it was written"


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; a file that has not changed is read once in a process."""
    return once("digest", path, lambda path: read_digest(path)[0].hex())


def once(what: str, path: Path, read: Callable[[Path], Result]) -> Result:
    """What reading a file gave, kept until the file changes.

    Args:
        what: Names what is read off the file.
        path: The file.
        read: Reads it.
    """
    status = path.stat()
    known = (what, path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns)
    if known not in _read:
        result = read(path)
        if time.time() - status.st_mtime < _SETTLED:
            return result
        _read[known] = result
    value: Result = _read[known]
    return value


def read_digest(path: Path, behind: int = 0) -> tuple[bytes, bytes]:
    """SHA-256 of a file without so many bytes at its end, and these bytes; a bar shows what takes seconds to read."""
    left, digest = path.stat().st_size - behind, hashlib.sha256()
    with _opened(path, left) as file:
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            digest.update(piece)
            left -= len(piece)
        return digest.digest(), file.read()


def _opened(path: Path, size: int) -> AbstractContextManager[BinaryIO]:
    if size < _LARGE:
        return path.open("rb")
    import rich.progress

    return rich.progress.open(path, "rb", description=f"reading {path.name}", transient=True)
