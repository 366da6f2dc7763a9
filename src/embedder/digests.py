"""SHA-256 of files, each read once in a process, and what has been damaged since it was written."""

import hashlib
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

DIGESTS = "digests.json"
"""In a folder of `whole_folder`: SHA-256 of each of its files."""
_SETTLED = 2.0  # seconds; a younger file may change within the resolution of its time stamp
_LARGE = 2e9  # bytes that take seconds to read
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
    return once("digest", path, _digest)


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


def _digest(path: Path) -> str:
    if path.stat().st_size < _LARGE:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    import rich.progress

    with rich.progress.open(path, "rb", description=f"reading {path.name}", transient=True) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it has `readinto`
