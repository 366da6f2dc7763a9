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
from embedder.index.faiss_files import merged, read_index, write_index
from embedder.index.faiss_package import faiss_module
from embedder.index.fill import BLOCK_BYTES, blocks
from embedder.sealed import is_whole, make_all
from embedder.types import Vectors

logger = logging.getLogger(__name__)

FORMAT = 2
"""Of the names: raised where `training_size`, `spread` or the clustering changes what an index is trained to."""


@dataclass(frozen=True)
class KeptIndex:
    """The files of an index.

    They are called by the texts, as the manifest of the vectors is, by the format and by the factory, in the folder of
    the encoder and its way of reading: what was built for anything else has another name. Nothing that a run looks for
    is removed: only parts that were put together are, which have names of their own.

    Args:
        beside: See `embedder.types.Vectors`.
        factory: Of FAISS, with the number of lists.
        vectors: What is searched.
        parts: Files that it is built in; each has vectors that follow each other.
        merge: Whether the parts are then put together to the one file that it is kept in.
    """

    beside: Path
    factory: str
    vectors: Vectors
    parts: int
    merge: bool

    @property
    def files(self) -> list[Path]:
        """What is searched, in the order of the corpus."""
        return [self._path("1-of-1")] if self.merge else self._parts

    def build(self, trained: Callable[[], Any], *, progress: bool) -> bool:
        """Make the files that are missing or damaged, except for those that another process is making.

        It is trained once, whichever process fills which part, so that parts together are what one file would be. What
        it was trained to is kept, for parts that are built again. Where a build was killed, the parts that were done
        are kept.

        Args:
            trained: Makes an empty index, and trains it.
            progress: Show a bar.

        Returns:
            Whether anything was missing.
        """
        if all(map(is_whole, self.files)):
            logger.info("found the index %s", self.files[0])
            return False
        begin, empty = time.monotonic(), self._path("trained")

        def train() -> None:
            write_index(trained(), empty)

        def fill(number: int) -> None:
            if self.merge and is_whole(self.files[0]):
                return  # another process has just put them together
            make_all([empty], Path, lambda _: train())
            self._fill(number, read_index(empty, mapped=False), progress=progress)

        make_all(range(self.parts), self._parts.__getitem__, fill)
        if self.merge:
            make_all(self.files, Path, lambda path: write_index(merged(empty, self._parts), path))
            for path in self._parts:
                path.unlink(missing_ok=True)
        logger.info("built the index %s in %.1f s", self.files[0], time.monotonic() - begin)
        return True

    @property
    def _parts(self) -> list[Path]:
        kind = "part-" if self.merge else ""
        return [self._path(f"{kind}{number}-of-{self.parts}") for number in range(1, self.parts + 1)]

    def _fill(self, number: int, index: Any, *, progress: bool) -> None:
        dimension = self.vectors.dimension
        start, stop = (one * len(self.vectors) // self.parts for one in (number, number + 1))
        name = f"Indexing {number + 1} of {self.parts}"
        ranges = blocks(start, stop, dimension, BLOCK_BYTES)
        for first, last in track(ranges, name, disable=not progress, transient=True):
            rows = self.vectors.rows(first, last)
            check_vectors("vectors", rows, dimension, first=first)
            index.add(rows)
        write_index(index, self._parts[number])

    def _path(self, part: str) -> Path:
        factory = quote(self.factory, safe=",()")
        return self.beside.with_name(f"{self.beside.name}-{FORMAT}-{factory}-{part}.faiss")


def is_worth_a_file(index: Any) -> bool:
    """Whether an empty index of FAISS will take more to make than a copy of its vectors: training, lists or a graph."""
    return not (index.is_trained and isinstance(index, faiss_module().IndexFlatCodes))
