"""Data sets of another form by id: converted once, into a folder named by what it is made of."""

import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from embedder.data.forms.form import Form, Rows

logger = logging.getLogger(__name__)

_FORMAT = 2  # raised when a conversion changes, so that an older folder is never taken for a new one


def converted(form: Form, files: Mapping[str, Path], directory: Path) -> dict[str, Path]:
    """The files of a data set by id, `corpus`, `train` and `test`.

    They are streamed into a folder of `directory` that is there as a whole or not at all.

    Args:
        form: How the data set lies on disk.
        files: What there is of `corpus`, `histories`, `train` and `test`.
        directory: Where converted data sets are kept.

    Raises:
        DataError: A row is not what it should be.
    """
    folder = directory / _name(form, files)
    write_once(folder, lambda: form.convert(files), str(next(iter(files.values())).parent))
    return {path.stem: path for path in folder.glob("*.jsonl")}


def write_once(folder: Path, convert: Callable[[], Iterator[tuple[str, Rows]]], source: str) -> None:
    """Stream rows into the JSON Lines files of a folder that is there as a whole or not at all.

    Args:
        folder: Named by what it is made of; nothing happens if it is there.
        convert: Yields the stem of a file and its rows.
        source: What is converted, for the log.
    """
    if folder.is_dir():
        return
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    partial.mkdir(parents=True)
    try:
        counts = _write(convert(), partial)
        partial.replace(folder)
        logger.info("%s: converted to %s in %s", source, counts, folder)
    except OSError:
        if not folder.is_dir():  # else another process was quicker, with the same contents
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(files: Iterator[tuple[str, Rows]], directory: Path) -> dict[str, int]:
    counts = {}
    for role, rows in files:
        counts[role] = 0
        with (directory / f"{role}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                counts[role] += 1
    return counts


def _name(form: Form, files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256(f"{_FORMAT}/{form!r}".encode())
    for role in sorted(files):
        with files[role].open("rb") as file:
            digest.update(f"/{role}/".encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
