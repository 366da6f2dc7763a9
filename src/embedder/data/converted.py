"""Converted or decompressed data, made once of a user's files, in folders named by what they are made of."""

import gzip
import json
import logging
import shutil
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from embedder.data.forms.form import ORIGIN, Conversion, Rows
from embedder.data.jsonl import json_line
from embedder.digests import digest_of
from embedder.errors import DataError
from embedder.files import make_once, write_atomically
from embedder.identity import identity
from embedder.origins import ORIGINS, PLACE, origin
from embedder.shown import quantity

logger = logging.getLogger(__name__)

_FORMAT = 5  # raised when a conversion changes, so that an older folder is never taken for a new one
_ROLES = "roles.json"  # in a converted folder: by stem, the roles of the files that it was made of
_OPEN: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".zst": lambda path: pa.input_stream(str(path), compression="zstd"),
}
_NAMES = {
    "corpus": ("key", "keys"),
    "train": ("training query", "training queries"),
    "test": ("test query", "test queries"),
}
COMPRESSED = tuple(_OPEN)
"""Endings of compressed files that are read."""


def converted(form: Conversion, files: Mapping[str, Path], directory: Path) -> dict[str, Path]:
    """The files of a data set by id, `corpus`, `train` and `test`.

    They are streamed into a folder of `directory` that is there as a whole or not at all.

    Args:
        form: Makes them.
        files: What there is of `corpus`, `histories`, `train` and `test`.
        directory: Where converted data sets are kept.

    Raises:
        DataError: A row is not what it should be.
    """
    digests = {role: digest_of(path) for role, path in files.items()}
    folder = directory / identity(format=_FORMAT, form=form, files=digests)[:16]
    write_once(folder, lambda partial: counted(write_rows(form.convert(files), partial)), _named(files))
    roles = json.loads((folder / _ROLES).read_text(encoding="utf-8"))
    _note_origins(folder, {stem: [files[role] for role in roles_of_stem] for stem, roles_of_stem in roles.items()})
    return {path.stem: path for path in folder.glob("*.jsonl")}


def decompressed(path: Path, directory: Path) -> Path:
    """The file itself, or the decompressed content of a compressed file: only plain files can be mapped into memory.

    Args:
        path: The file.
        directory: Where converted data sets are kept.

    Raises:
        DataError: It is damaged.
    """
    if path.suffix not in _OPEN:
        return path
    folder = directory / f"plain-{identity(name=path.name, content=digest_of(path))[:16]}"

    def write(partial: Path) -> str:
        try:
            with _OPEN[path.suffix](path) as packed, (partial / path.stem).open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
        except (EOFError, zlib.error, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # such as a full disk
                raise
            raise DataError(path, None, f"a damaged {path.suffix} file ({error})") from error
        return "plain text"

    write_once(folder, write, str(path))
    _note_origins(folder, {Path(path.stem).stem: [path]})
    return folder / path.stem


def write_once(folder: Path, write: Callable[[Path], str], source: str) -> None:
    """Make a folder that appears completely or not at all; a damaged one is made again.

    Args:
        folder: Named by what it is made of; nothing happens if it is there and as it was written.
        write: Writes into the folder that it is given, and returns what it wrote, in words for the log.
        source: What is converted, for the log.
    """

    def write_and_tell(partial: Path) -> None:
        logger.info("%s: %s, kept in %s", source, write(partial), folder)

    make_once(folder, write_and_tell, f"it is made again from {source}")


def counted(rows: Mapping[str, int]) -> str:
    """How many rows there are of each part of a data set, in words.

    >>> counted({"corpus": 1200, "train": 250, "test": 1})
    '1,200 keys, 250 training queries, 1 test query'
    """
    names = {stem: _NAMES.get(stem, (f"row of {stem}", f"rows of {stem}")) for stem in rows}
    return ", ".join(quantity(n, *names[stem]) for stem, n in rows.items())


def _named(files: Mapping[str, Path]) -> str:
    """What a user named: the one file, or the first of several that lie in different folders, or else their folder."""
    paths = [origin(path, None)[0] for path in files.values()]
    folders = {path.absolute().parent for path in paths}
    return str(paths[0] if len(paths) == 1 or len(folders) > 1 else folders.pop())


def write_rows(files: Iterable[tuple[str, Rows]], directory: Path) -> dict[str, int]:
    """Stream rows into JSON Lines files, and write beside them where each row comes from, if the row says so.

    Args:
        files: Stem of each file, and its rows.
        directory: Where to write.

    Returns:
        How many rows each file has.
    """
    counts: dict[str, int] = {}
    all_roles: dict[str, list[str]] = {}
    for stem, rows in files:
        counts[stem] = 0
        roles: dict[str, int] = {}
        with (directory / f"{stem}.jsonl").open("wb") as file, (directory / f"{stem}.lines").open("wb") as lines:
            for row in rows:
                if ORIGIN in row:
                    role, line = row.pop(ORIGIN)
                    lines.write(PLACE.pack(roles.setdefault(role, len(roles)), line))
                file.write(_line(row))
                counts[stem] += 1
        all_roles[stem] = list(roles)
    (directory / _ROLES).write_text(json.dumps(all_roles), encoding="utf-8")
    return counts


def _line(row: Mapping[str, Any]) -> bytes:
    try:
        return json_line(row).encode()
    except UnicodeEncodeError:  # half a surrogate pair: whoever reads the field says so, with the line of its origin
        return (json.dumps(row) + "\n").encode()


def _note_origins(folder: Path, sources: Mapping[str, Sequence[Path]]) -> None:
    """Note what the files of a folder were made of; the user may have moved that since."""
    text = json.dumps({stem: [str(path) for path in paths] for stem, paths in sources.items()}, indent=1)
    path = folder / ORIGINS
    if not path.is_file() or path.read_bytes() != text.encode():
        write_atomically(path, text)
