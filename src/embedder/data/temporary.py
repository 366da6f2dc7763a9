"""Temporary files of tables that are mapped, so that memory does not grow with the number of rows."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
import numpy.typing as npt


@contextmanager
def temporary_table(blocks: Iterable[npt.NDArray[np.generic]]) -> Iterator[BinaryIO]:
    """A file that holds arrays one after the other; it is gone once it is closed and no longer mapped.

    They are written, not put through the map: where the disk is full, a map ends the process without a word (SIGBUS).

    Raises:
        OSError: They cannot be written; it names the folder, which TMPDIR chooses.
    """
    with _naming_the_folder():
        file = tempfile.TemporaryFile()  # noqa: SIM115  # closed below: only making it is to name the folder
    with file:
        for block in blocks:
            with _naming_the_folder():
                file.write(np.ascontiguousarray(block).data)  # NumPy's own `tofile` does not say what failed
        with _naming_the_folder():
            file.flush()
        yield file


@contextmanager
def _naming_the_folder() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = error.filename or tempfile.gettempdir()
        raise
