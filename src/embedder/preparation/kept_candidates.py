"""The candidates of a data set while it is prepared: proposed once, on disk for all processes that label or write."""

import json
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.progress import track

from embedder.candidates.finder import CandidateFinder
from embedder.data.corpus import Corpus
from embedder.digests import expecting_own
from embedder.errors import reading
from embedder.types import Candidate, Query

_SCHEMA = pa.schema(
    {
        "query": pa.string(),
        "positions": pa.list_(pa.int64()),
        "sources": pa.list_(pa.string()),
        "ranks": pa.list_(pa.int32()),
        "scores": pa.list_(pa.float64()),
    }
)
KEPT = ".candidates"
"""How the name of a folder ends that `keep_candidates` writes, behind a dot and the name of the data set's folder."""
_UNREAD = 86400  # seconds: what a run that was killed has left, and no later one with the same settings has read
_TOUCHED = 100  # queries, for which the LLM takes far less than a day
_BLOCK = 1000  # queries; that of every row is known without an index
_TABLE, _COUNTS = "candidates.arrow", "counts.json"

logger = logging.getLogger(__name__)


def keep_candidates(queries: Sequence[Query], finder: CandidateFinder, corpus: Corpus, folder: Path) -> None:
    """Propose the candidates of all queries of a data set, and write them down."""
    logger.info("proposing candidates of %d queries", len(queries))
    rows = zip(queries, finder.propose(queries), strict=True)
    with pa.OSFile(str(folder / _TABLE), "wb") as file, pa.ipc.new_file(file, _SCHEMA) as writer:
        block: list[dict[str, Any]] = []
        for query, proposed in track(rows, "proposing candidates", len(queries), transient=True):
            block.append(
                {
                    "query": query.id,
                    "positions": [corpus.position(candidate.key.id) for candidate in proposed],
                    "sources": [candidate.source for candidate in proposed],
                    "ranks": [candidate.rank for candidate in proposed],
                    "scores": [candidate.score for candidate in proposed],
                }
            )
            if len(block) == _BLOCK:
                writer.write_batch(pa.RecordBatch.from_pylist(block, _SCHEMA))
                block = []
        writer.write_batch(pa.RecordBatch.from_pylist(block, _SCHEMA))
    counts = {"unranked": finder.unranked, "dropped": finder.dropped, "copies": finder.copies}
    (folder / _COUNTS).write_text(json.dumps(counts), encoding="utf-8")


def remove_unread(folder: Path) -> None:
    """Remove the candidates of data sets whose records are written, or that no process has read for a day."""
    for kept in folder.glob(f".*{KEPT}"):
        with suppress(FileNotFoundError):  # another process removes it too
            is_written = kept.with_name(kept.name[1:].removesuffix(KEPT)).is_dir()
            if is_written or time.time() - kept.stat().st_mtime > _UNREAD:
                logger.info("removing %s, which a run that was killed has left", kept)
                shutil.rmtree(kept)


class KeptCandidates:
    """What a `CandidateFinder` has proposed for all queries of a data set, with its counts.

    Args:
        folder: What `keep_candidates` wrote; it is mapped, not read into memory.
        corpus: Where the keys are.

    Raises:
        FileNotFoundError: Another process has removed them, since the records are written.
        DataError: The file is damaged.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        os.utime(folder)
        with expecting_own(folder / _COUNTS):
            counts = json.loads((folder / _COUNTS).read_text(encoding="utf-8"))
            self.unranked: int = counts["unranked"]
            """Queries for which no source ranks a key."""
            self.dropped = Counter[str](counts["dropped"])
            """How many candidates each filter has skipped."""
            self.copies: dict[str, list[int]] = counts["copies"]
            """By query, positions of the near duplicates of its gold keys."""
        self._folder, self._corpus = folder, corpus
        with reading(folder, "not a whole file of candidates: delete it", pa.ArrowException):
            self._file = pa.ipc.open_file(pa.memory_map(str(folder / _TABLE)))
            blocks = [self._file.get_batch(number) for number in range(self._file.num_record_batches)]
        ids = (query_id for block in blocks for query_id in block.column("query").to_pylist())
        self._rows = {query_id: row for row, query_id in enumerate(ids)}

    def propose(self, queries: Sequence[Query]) -> Iterator[tuple[Candidate, ...]]:
        """The candidates of each query, as they were proposed."""
        for position, query in enumerate(queries):
            if position % _TOUCHED == 0:
                with suppress(FileNotFoundError):  # a file that is mapped can be read still
                    os.utime(self._folder)
            number, row = divmod(self._rows[query.id], _BLOCK)
            block = self._file.get_batch(number)
            lists = (block.column(name)[row].as_py() for name in _SCHEMA.names[1:])
            yield tuple(
                Candidate(self._corpus[key], source, rank, score)
                for key, source, rank, score in zip(*lists, strict=True)
            )
