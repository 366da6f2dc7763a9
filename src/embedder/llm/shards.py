"""A folder of Parquet files that only ever gains whole files: safe with several writers and with a killed one."""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from embedder.errors import DataError, lacks_memory
from embedder.files import whole_file

logger = logging.getLogger(__name__)

_DAMAGED = "damaged"


class ShardFolder:
    """Shards of one schema, each named by the digest of its bytes.

    A file of the final name is whole. The digest in its name is checked on reading; a damaged shard is named in a
    warning and moved to `damaged/`, and its rows are simply missing, to be made again.

    Args:
        directory: Where shards are written; made on the first write.
        schema: Columns of every shard.
        read_only: Further folders that are read and never changed, such as a store that ships with a demo.

    Raises:
        DataError: A read-only folder does not exist.
    """

    def __init__(self, directory: Path, schema: pa.Schema, read_only: Sequence[Path] = ()) -> None:
        for folder in read_only:
            if not folder.is_dir():
                raise DataError(folder, None, "is not a folder, so it cannot be read as a store")
        self.directory = directory
        self._schema = schema
        self._read_only = tuple(read_only)
        self._seen: set[Path] = set()

    def unread(self) -> Iterator[pa.Table]:
        """The tables of all shards that were neither read nor written through this object before."""
        for folder in (*self._read_only, self.directory):
            while new := [path for path in sorted(folder.glob("*.parquet")) if path not in self._seen]:
                # Looked at again until nothing is new: a shard may be merged into a larger one while we read.
                for path in new:
                    self._seen.add(path)
                    table = self._read(path)
                    if table is not None:
                        yield table

    def write(self, table: pa.Table) -> Path:
        """Add one shard; on return it has reached the disk."""
        buffer = pa.BufferOutputStream()
        pq.write_table(table.cast(self._schema), buffer, compression="zstd")
        content = buffer.getvalue().to_pybytes()
        path = self.directory / f"{_digest(content)}.parquet"
        with whole_file(path) as file:
            file.write(content)
        self._seen.add(path)
        return path

    def replace_all(self, table: pa.Table) -> None:
        """Put one shard in place of all those seen so far; shards that other writers added meanwhile stay."""
        old = {path for path in self._seen if path.parent == self.directory}
        kept = self.write(table)
        for path in old - {kept}:
            path.unlink(missing_ok=True)
        self._seen -= old - {kept}

    def describe(self) -> str:
        """How many shards there are and how large, in words."""
        parts = []
        for folder in (self.directory, *self._read_only):
            sizes = [path.stat().st_size for path in folder.glob("*.parquet")]
            parts.append(f"{len(sizes):,} shards of {sum(sizes) / 1e6:,.1f} MB in {folder}")
        damaged = len(list((self.directory / _DAMAGED).glob("*.parquet")))
        return "; ".join(parts) + (f"; {damaged} damaged ones set aside" if damaged else "")

    def _read(self, path: Path) -> pa.Table | None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None  # another process has just merged it into a larger shard, which comes with the next look
        try:
            if _digest(content) != path.stem:
                raise ValueError("its contents do not match the digest in its name")
            return pq.read_table(pa.BufferReader(content)).cast(self._schema)
        except (ValueError, pa.ArrowException) as error:
            if lacks_memory(error):  # what the LLM has said is whole, and is not to be paid again
                raise
            self._set_aside(path, error)
            return None

    def _set_aside(self, path: Path, error: Exception) -> None:
        if path.parent != self.directory:
            logger.warning("damaged shard %s is left out: %s", path, error)
            return
        target = self.directory / _DAMAGED / path.name
        logger.warning("damaged shard %s is moved to %s/, its rows are made again: %s", path, _DAMAGED, error)
        target.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # another process has met it too
            path.replace(target)
        self._seen.discard(path)  # the same rows, made again, may get the same name


def addresses_column(addresses: Iterable[bytes]) -> pa.Array:
    """Addresses as a column of a shard."""
    return pa.array(list(addresses), type=pa.binary(16))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
