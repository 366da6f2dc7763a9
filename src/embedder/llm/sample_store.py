"""The outputs that an LLM sampled, kept on disk under content addresses so that nothing is sampled twice."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from embedder.llm.shards import ShardFolder, addresses_column

_SCHEMA = pa.schema([("address", pa.binary(16)), ("outputs", pa.list_(pa.string()))])


class SampleStore:
    """Sampled outputs by address, written and read like the scores of `ScoreStore`.

    Args:
        directory: Where shards are written and read.
        read_only: Further directories that are only read.
    """

    def __init__(self, directory: str | Path, read_only: Sequence[str | Path] = ()) -> None:
        self.directory = Path(directory)
        self._shards = ShardFolder(self.directory, _SCHEMA, [Path(folder) for folder in read_only])
        self._outputs: dict[bytes, list[str]] = {}
        self._unwritten: dict[bytes, list[str]] = {}
        self.refresh()

    def __len__(self) -> int:
        """Number of distinct addresses known."""
        return len(self._outputs)

    def get(self, addresses: Sequence[bytes]) -> list[list[str] | None]:
        """The outputs at these addresses, None where nothing is stored."""
        return [self._outputs.get(address) for address in addresses]

    def add(self, addresses: Sequence[bytes], outputs: Sequence[Sequence[str]]) -> None:
        """Add outputs in memory; the next `flush` writes them."""
        new = {address: list(texts) for address, texts in zip(addresses, outputs, strict=True)}
        self._outputs.update(new)
        self._unwritten.update(new)

    def flush(self) -> None:
        """Write what was added since the last flush as one shard."""
        if self._unwritten:
            self._shards.write(_table(self._unwritten))
            self._unwritten = {}

    def refresh(self) -> None:
        """Read the shards that other processes have written since the last look."""
        for table in self._shards.unread():
            for address, outputs in zip(table["address"].to_pylist(), table["outputs"].to_pylist(), strict=True):
                self._outputs.setdefault(address, outputs)

    def compact(self) -> None:
        """Merge all shards of the directory, with what is in the read-only ones, into one without duplicates."""
        self.flush()
        self.refresh()
        if self._outputs:
            self._shards.replace_all(_table(dict(sorted(self._outputs.items()))))

    def describe(self) -> str:
        """What is there, in words."""
        return f"{len(self):,} sampled prompts: {self._shards.describe()}"


def _table(outputs: dict[bytes, list[str]]) -> pa.Table:
    return pa.table(
        [addresses_column(outputs), pa.array(list(outputs.values()), type=_SCHEMA.field(1).type)], schema=_SCHEMA
    )
