"""An index of FAISS as files beside its vectors: built once, by one process or many, and mapped by all later runs."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.progress import track

from embedder.index.array_vectors import check_vectors
from embedder.index.faiss_files import read_index, write_index
from embedder.index.faiss_package import faiss_module
from embedder.index.fill import BLOCK_BYTES, blocks
from embedder.sealed import is_whole, make_all
from embedder.types import Vectors

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptIndex:
    """The files of an index.

    They are called by the texts, as the manifest of the vectors is, and by the factory, in the folder of the encoder
    and its way of reading: what was built for anything else has another name.

    Args:
        beside: See `embedder.types.Vectors`.
        factory: Of FAISS, with the number of lists.
        vectors: What is searched.
        parts: Files; each has vectors that follow each other.
    """

    beside: Path
    factory: str
    vectors: Vectors
    parts: int

    @property
    def files(self) -> list[Path]:
        """In the order of the corpus."""
        return [self._path(f"{number}-of-{self.parts}") for number in range(1, self.parts + 1)]

    def build(self, trained: Callable[[], Any], *, progress: bool) -> bool:
        """Make the files that are missing or damaged, except for those that another process is making.

        It is trained once, whichever process fills which part, so that parts together are what one file would be.
        Where a build was killed, the files that were done are kept.

        Args:
            trained: Makes an empty index, and trains it.
            progress: Show a bar.

        Returns:
            Whether anything was missing.
        """
        missing = [number for number, path in enumerate(self.files) if not is_whole(path)]
        if not missing:
            logger.info("found the index %s", self.files[0])
            return False
        begin, empty = time.monotonic(), self._path("trained")

        def train() -> None:
            write_index(trained(), empty)

        def fill(number: int) -> None:
            make_all([empty], Path, lambda _: train())
            self._fill(number, read_index(empty, mapped=False), progress=progress)

        make_all(missing, self.files.__getitem__, fill)
        empty.unlink(missing_ok=True)
        logger.info("built the index %s in %.1f s", self.files[0], time.monotonic() - begin)
        return True

    def _fill(self, number: int, index: Any, *, progress: bool) -> None:
        dimension = self.vectors.dimension
        start, stop = (one * len(self.vectors) // self.parts for one in (number, number + 1))
        name = f"Indexing {number + 1} of {self.parts}"
        ranges = blocks(start, stop, dimension, BLOCK_BYTES)
        for first, last in track(ranges, name, disable=not progress, transient=True):
            rows = self.vectors.rows(first, last)
            check_vectors("vectors", rows, dimension, first=first)
            index.add(rows)
        write_index(index, self.files[number])

    def _path(self, part: str) -> Path:
        return self.beside.with_name(f"{self.beside.name}-{quote(self.factory, safe=',()')}-{part}.faiss")


def is_worth_a_file(index: Any) -> bool:
    """Whether an empty index of FAISS will take more to make than a copy of its vectors: training, lists or a graph."""
    return not (index.is_trained and isinstance(index, faiss_module().IndexFlatCodes))
