"""A collection of Milvus, with a second one beside it that says what the vectors depend on."""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedder.errors import DataError, EmbedderError, MissingExtraError, extra
from embedder.index.milvus_settings import MilvusSettings

_SPAN = 1 << 40  # positions of a task
_WINDOW = 4096  # rows that are read back together; Milvus allows 16,384


@dataclass(frozen=True)
class Part:
    """What a collection says of the vectors of one task.

    Args:
        number: Of the task; its keys are numbered from this times 2^40.
        about: What the vectors depend on.
        fields: What is kept beside them.
    """

    number: int
    about: Mapping[str, Any]
    fields: Sequence[str]

    def key(self, position: int) -> int:
        """The primary key of a vector."""
        return self.number * _SPAN + position


class MilvusCollection:
    """One named collection.

    Args:
        settings: Where it is.
        name: Of the collection.

    Raises:
        MissingExtraError: `pymilvus` is not installed.
        EmbedderError: The database cannot be reached.
    """

    def __init__(self, settings: MilvusSettings, name: str) -> None:
        try:
            import pymilvus
        except ModuleNotFoundError as error:
            raise MissingExtraError("pymilvus", extra("milvus"), "index=milvus") from error
        self.settings, self.name, self._about = settings, name, f"{name}_about"
        self._milvus: Any = pymilvus
        if "://" not in settings.uri:
            Path(settings.uri).parent.mkdir(parents=True, exist_ok=True)
        logging.getLogger("pymilvus").setLevel(
            logging.CRITICAL
        )  # it logs the traceback of each error beside raising it
        token = os.environ.get(settings.api_key_env or "", "")
        with self._errors():
            self._client: Any = pymilvus.MilvusClient(settings.uri, token=token, timeout=settings.timeout)

    def close(self) -> None:
        """Give a file of Milvus Lite back, which one process can have open at a time."""
        self._client.close()

    def parts(self) -> dict[str, Part]:
        """What it says of the vectors of each task; nothing where there is no such collection."""
        with self._errors():
            if not self._client.has_collection(self._about):
                return {}
            for name in filter(self._client.has_collection, (self._about, self.name)):
                self._client.load_collection(name)  # after a restart it is on the disk alone
            rows = self._client.query(self._about, filter='task != ""', output_fields=["task", "part"], limit=1000)
        return {row["task"].removeprefix("task "): Part(**json.loads(row["part"])) for row in rows}

    def create(self, task: str, part: Part, dimension: int) -> None:
        """Make the collection, unless it is there, and note what the vectors of a task will depend on."""
        kinds = self._milvus.DataType
        with self._errors():
            if not self._client.has_collection(self._about):
                schema = self._client.create_schema(auto_id=False)
                schema.add_field("task", kinds.VARCHAR, is_primary=True, max_length=1000)
                schema.add_field("part", kinds.VARCHAR, max_length=65_535)
                schema.add_field("vector", kinds.FLOAT_VECTOR, dim=2)  # each collection has to have some
                self._client.create_collection(self._about, schema=schema, index_params=self._index("FLAT", {}))
            if not self._client.has_collection(self.name):
                schema = self._client.create_schema(auto_id=False, enable_dynamic_field=True)
                schema.add_field("key", kinds.INT64, is_primary=True)
                schema.add_field("task", kinds.VARCHAR, max_length=1000)
                schema.add_field("vector", kinds.FLOAT_VECTOR, dim=dimension)
                index = self._index(self.settings.kind, dict(self.settings.parameters))
                self._client.create_collection(self.name, schema=schema, index_params=index)
            row = {"task": f"task {task}", "part": json.dumps(asdict(part)), "vector": [0.0, 0.0]}
            self._client.upsert(self._about, [row])

    def drop(self, task: str) -> None:
        """Remove the vectors of a task; the collection, if it has no others."""
        parts = self.parts()
        with self._errors():
            if set(parts) <= {task}:
                for name in (self.name, self._about):
                    if self._client.has_collection(name):
                        self._client.drop_collection(name)
                return
            self._client.delete(self.name, filter=f"task == {json.dumps(task)}")
            self._client.delete(self._about, filter=f"task == {json.dumps(f'task {task}')}")

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Add rows, in place of those that have the same keys."""
        with self._errors():
            for start in range(0, len(rows), self.settings.batch):
                self._client.upsert(self.name, rows[start : start + self.settings.batch])

    def flush(self) -> None:
        """Bring what was written to the disk."""
        with self._errors():
            self._client.flush(self.name)

    def count(self, first: int, stop: int) -> int:
        """Rows whose keys are from one to before another."""
        with self._errors():
            (row,) = self._client.query(self.name, filter=between(first, stop), output_fields=["count(*)"])
        return int(row["count(*)"])

    def read(self, first: int, stop: int) -> Iterator[Any]:
        """The vectors whose keys are from one to before another, in the order of the keys."""
        for start in range(first, stop, _WINDOW):
            wanted = between(start, min(start + _WINDOW, stop))
            with self._errors():
                rows = self._client.query(self.name, filter=wanted, output_fields=["key", "vector"])
            yield from (row["vector"] for row in sorted(rows, key=lambda row: row["key"]))

    def search(self, queries: Any, top_k: int, wanted: str) -> list[list[Mapping[str, Any]]]:
        """The best hits of each query, each with `key` and `distance`.

        Args:
            queries: [Q, D].
            top_k: Hits of a query, at most.
            wanted: An expression that they have to meet; empty for all.
        """
        parameters = {"metric_type": "IP", "params": dict(self.settings.search_parameters)}
        with self._errors():
            found: list[list[Mapping[str, Any]]] = self._client.search(
                self.name,
                data=queries.tolist(),
                limit=top_k,
                filter=wanted,
                search_params=parameters,
                output_fields=["key"],
            )
        return found

    def _index(self, kind: str, parameters: dict[str, Any]) -> Any:
        index = self._client.prepare_index_params()
        index.add_index("vector", index_type=kind, metric_type="IP", params=parameters)
        return index

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """One clear error for whatever Milvus, or the way to it, says."""
        try:
            yield
        except (self._milvus.MilvusException, OSError) as error:
            where = f"Milvus at {without_password(self.settings.uri)}, collection {self.name}"
            said = str(getattr(error, "message", "") or error)
            kept = "what was added stays there, and the same command fills the rest"
            raise EmbedderError(f"{where}: {said} ({kept})") from error

    def mismatch(self, about: Mapping[str, Any], part: Part) -> DataError:
        """The error of vectors that depend on other things than those in the collection."""
        names = [name for name in {**part.about, **about} if part.about.get(name) != about.get(name)]
        differing = "; ".join(f"{name}: {part.about.get(name)!r} there, {about.get(name)!r} here" for name in names)
        hint = "choose another index.collection, or index.rebuild=true, which drops them"
        where = f"{without_password(self.settings.uri)}, collection {self.name}"
        return DataError(where, None, f"holds vectors of another kind ({differing}): {hint}")


def between(first: int, stop: int) -> str:
    """The expression for keys from one to before another."""
    return f"key >= {first} and key < {stop}"


def without_password(uri: str) -> str:
    """An address without the name and password before its host."""
    scheme, is_address, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if is_address else uri
