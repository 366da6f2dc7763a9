"""Find the vectors with the largest inner product in Milvus, a vector database that several machines can share."""

import json
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from embedder.errors import ConfigError, DataError
from embedder.identity import identity
from embedder.index.array_vectors import check_vectors
from embedder.index.milvus_collection import MilvusCollection, Part, between
from embedder.index.milvus_settings import MilvusSettings
from embedder.types import FloatArray, IntArray, Vectors

logger = logging.getLogger(__name__)

_QUERIES = 256  # sent together


def milvus_index(uri: str, **settings: Any) -> "MilvusIndex":
    """An index by its settings, one by one as `conf/index/milvus.yaml` has them; see `MilvusSettings`."""
    return MilvusIndex(MilvusSettings(uri, **settings))


class MilvusIndex:
    """A corpus in a collection of Milvus, found there again by later runs.

    Args:
        settings: Where it is, and what is searched.
    """

    def __init__(self, settings: MilvusSettings) -> None:
        self._settings = settings
        self._collection: MilvusCollection | None = None
        self._part = Part(0, {}, ())
        self._is_shared = False
        self._dimension: int | None = None
        self._size = self._next = 0
        self.was_found = False
        """Whether an earlier run had filled it."""
        self._metadata: Iterator[dict[str, Any]] = iter(())

    def __len__(self) -> int:
        return self._next

    def begin(self, vectors: Vectors, *, progress: bool = False) -> int:
        """Find or make the collection.

        Returns:
            The position of the first vector that is not in it: all, if a run before has filled it.

        Raises:
            ConfigError: The collection has no name, and the vectors do not say what they depend on.
            DataError: The collection holds vectors of another encoder, instruction, ..., or of other texts.
            EmbedderError: The database cannot be reached, or refuses what is asked.
        """
        self.close()
        settings, about = self._settings, json.loads(json.dumps({**vectors.about, "dimension": vectors.dimension}))
        if settings.collection is None and not vectors.about:
            raise ConfigError("index.collection", "a name, because the vectors do not say what they depend on", None)
        name = settings.collection or f"embedder_{identity(about=about, fields=list(settings.fields))[:16]}"
        collection = self._collection = MilvusCollection(settings, name)
        if settings.rebuild:
            collection.drop(settings.task)
        parts = collection.parts()
        part = parts.get(settings.task)
        if part is None:
            number = 1 + max((other.number for other in parts.values()), default=-1)
            part = Part(number, about, list(settings.fields))
            for other in parts.values():
                if other.about.get("dimension") != vectors.dimension:
                    raise collection.mismatch(
                        {"dimension": vectors.dimension}, Part(0, {"dimension": other.about["dimension"]}, ())
                    )
            collection.create(settings.task, part, vectors.dimension)
        elif part.about != about or list(part.fields) != list(settings.fields):
            raise collection.mismatch(
                {**about, "fields": list(settings.fields)}, Part(0, {**part.about, "fields": list(part.fields)}, ())
            )
        self._part, self._is_shared = part, len({*parts, settings.task}) > 1
        self._dimension, self._size = vectors.dimension, len(vectors)
        self._next = self._filled()
        self.was_found = self._next == self._size
        self._metadata = self._lines(self._next)
        logger.info("%s holds %d of %d vectors", name, self._next, self._size)
        return self._next

    def add(self, vectors: FloatArray) -> None:
        """Append vectors, [n, D].

        Raises:
            ValueError: They are not finite, or not of the dimension of the collection.
            DataError: The file of metadata has too few lines.
            EmbedderError: The database has gone away; what was added stays.
        """
        check_vectors("vectors", vectors, self._dimension, first=self._next)
        rows = []
        for position, vector in enumerate(vectors, self._next):
            metadata = next(self._metadata, None) if self._settings.metadata is not None else {}
            if metadata is None:
                message = f"has {position} lines, but the corpus has more keys"
                raise DataError(Path(self._settings.metadata or ""), None, message)
            kept = {name: metadata.get(name) for name in self._settings.fields}
            rows.append({"key": self._part.key(position), "task": self._settings.task, "vector": vector, **kept})
        self._open().write(rows)
        self._next += len(rows)

    def finish(self) -> None:
        """Bring all to the disk, and count it.

        Raises:
            DataError: Vectors are missing, or there are more, as when the file of another corpus was filled beside.
        """
        collection = self._open()
        collection.flush()
        count = collection.count(self._part.key(0), self._part.key(self._size + 1))
        if count != self._size:
            raise DataError(
                collection.name, None, f"holds {count} vectors in place of {self._size}: index.rebuild=true"
            )

    def search(self, queries: FloatArray, top_k: int) -> tuple[FloatArray, IntArray]:
        """Inner products and positions, best first, both [Q, K]; -inf and -1 where fewer than K were found."""
        return self.search_run(queries, top_k, 0, self._size)

    def search_run(self, queries: FloatArray, top_k: int, start: int, stop: int) -> tuple[FloatArray, IntArray]:
        """The same among the positions from `start` to before `stop`.

        Raises:
            ValueError: The queries are not finite or not of the dimension of the vectors.
            EmbedderError: The database has gone away, or does not understand `filter`.
        """
        queries = np.asarray(queries, np.float32)
        check_vectors("queries", queries, self._dimension)
        scores = np.full((len(queries), top_k), -np.inf, np.float32)
        positions = np.full((len(queries), top_k), -1, np.int64)
        wanted = [f"({self._settings.filter})"] if self._settings.filter else []
        if self._is_shared:
            wanted.append(f"task == {json.dumps(self._settings.task)}")
        if (start, stop) != (0, self._size):
            wanted.append(between(self._part.key(start), self._part.key(stop)))
        for first in range(0, len(queries), _QUERIES):
            found = self._open().search(
                queries[first : first + _QUERIES], max(1, min(top_k, self._size)), " and ".join(wanted)
            )
            for row, hits in enumerate(found, first):
                scores[row, : len(hits)] = [hit["distance"] for hit in hits]
                positions[row, : len(hits)] = [hit["key"] - self._part.key(0) for hit in hits]
        return scores, positions

    def vectors(self, start: int, stop: int) -> FloatArray:
        """The vectors at the positions from `start` to before `stop`, [n, D].

        Raises:
            ValueError: They are not in the index.
        """
        if not 0 <= start <= stop <= len(self):
            raise ValueError(f"positions {start} to {stop} of {len(self)}")
        found = list(self._open().read(self._part.key(start), self._part.key(stop)))
        return np.asarray(found, np.float32).reshape(stop - start, self._dimension or 0)

    def close(self) -> None:
        """End the connection."""
        if self._collection is not None:
            self._collection.close()
            self._collection = None

    def _filled(self) -> int:
        """How many vectors from the first on are there; those behind a gap are written again."""
        low, high = 0, self._size
        while low < high:
            middle = (low + high + 1) // 2
            if self._open().count(self._part.key(0), self._part.key(middle)) == middle:
                low = middle
            else:
                high = middle - 1
        return low

    def _lines(self, start: int) -> Iterator[dict[str, Any]]:
        """The lines of metadata from a position on."""
        if self._settings.metadata is None:
            return
        path = Path(self._settings.metadata)
        if not path.is_file():
            raise DataError(path, None, "there is no such file (index.metadata)")
        with path.open(encoding="utf-8") as file:
            lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
            for number, line in islice(lines, start, None):
                try:
                    row = json.loads(line)
                except json.JSONDecodeError as error:
                    raise DataError(path, number, f"not JSON ({error})") from error
                if not isinstance(row, dict) or (
                    missing := [name for name in self._settings.fields if name not in row]
                ):
                    expected = (
                        f"the fields {missing}, which index.fields names" if isinstance(row, dict) else "an object"
                    )
                    raise DataError(path, number, f"expected {expected}")
                yield row

    def _open(self) -> MilvusCollection:
        if self._collection is None:
            raise ValueError("index: begin comes before all else")
        return self._collection
