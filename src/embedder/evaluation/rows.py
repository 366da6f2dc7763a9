"""Which retriever a row of the evaluation table stands for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from embedder.data.forms.histories import Histories
from embedder.errors import ConfigError
from embedder.evaluation.row_encoders import RowEncoders
from embedder.identity import described
from embedder.index.bm25_settings import BM25Settings
from embedder.index.fusion import HYBRID_DEPTH
from embedder.results.titles import TITLES
from embedder.retrieval.combined import HybridRetriever, MemoisedRetriever, OracleRetriever
from embedder.retrieval.retrievers import (
    BM25Retriever,
    DenseRetriever,
    NoRetriever,
    RandomRetriever,
    RecentRetriever,
    Retriever,
)
from embedder.training.task import Task
from embedder.types import VectorIndex


@dataclass(frozen=True)
class TableRow:
    """One row of the table for one task.

    Args:
        name: As in the setting `rows`.
        retriever: What ranks.
        about: What the rankings depend on, beside data and settings of the run.
    """

    name: str
    retriever: Retriever
    about: dict[str, Any]

    @property
    def title(self) -> str:
        """Its name in tables; a retriever of the user's own keeps the name of its setting."""
        return TITLES.get(self.name, self.name)


def row_names(wanted: Sequence[str] | None, checkpoint: str | None, own: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of rows, in their order.

    Args:
        wanted: As the user sets them; None for all, of which `trained` is left out where no checkpoint is named.
        checkpoint: The trained encoder.
        own: Names of the user's own retrievers.

    Raises:
        ConfigError: A row is unknown or named twice, or `trained` is named without a checkpoint.
    """
    known = [*TITLES, *own]
    if twice := [name for name in own if name in TITLES]:
        raise ConfigError("retrievers", f"names beside those of the rows {list(TITLES)}", twice[0])
    names = tuple(dict.fromkeys(known if wanted is None else wanted))
    if not names or (unknown := [row for row in names if row not in known]):
        raise ConfigError("rows", f"names among {known}", unknown[0] if names else [])
    if checkpoint is None and wanted is not None and "trained" in names:
        raise ConfigError("checkpoint", "a checkpoint or an exported folder, since rows asks for `trained`", None)
    return tuple(name for name in names if name != "trained" or checkpoint is not None)


@dataclass(frozen=True)
class TableRows:
    """Makes the rows of a task.

    Args:
        names: Which rows, in their order.
        encoders: What they need.
        new_index: Makes an empty index.
        bm25: How BM25 ranks.
        own: Retrievers of the user's own, by the names of their rows.
    """

    names: tuple[str, ...]
    encoders: RowEncoders
    new_index: Callable[[], VectorIndex]
    bm25: BM25Settings = BM25Settings()  # noqa: RUF009  # frozen
    own: Mapping[str, Retriever] = field(default_factory=dict)

    def rows(self, task: Task) -> list[TableRow]:
        """The rows for a task: `recent` for dialogues alone.

        Raises:
            ConfigError: The trained model does not know the task.
        """
        retrievers = _Retrievers(self, task)
        is_dialogue = isinstance(task.form, Histories)
        return [retrievers.row(name) for name in self.names if name != "recent" or is_dialogue]


class _Retrievers:
    """The retrievers of one task; those that several rows need are fitted once."""

    def __init__(self, rows: TableRows, task: Task) -> None:
        self._rows, self._task = rows, task
        self._depth = HYBRID_DEPTH if "hybrid" in rows.names else 1
        self._dense: dict[str, MemoisedRetriever] = {}

    @cached_property
    def _bm25(self) -> Retriever:
        return MemoisedRetriever(BM25Retriever(self._rows.bm25), self._depth)

    def row(self, name: str) -> TableRow:
        if name in self._rows.own:
            return TableRow(name, self._rows.own[name], {"retriever": {"own": described(self._rows.own[name])}})
        if name in ("base", "trained"):
            return TableRow(name, self._encoder(name), self._about(name))
        if name == "hybrid":
            fused = self._rows.encoders.fused
            share = self._task.dense_share
            hybrid = HybridRetriever([self._bm25, self._encoder(fused)], [1 - share, share])
            about = self._about(fused)
            blend = self._lexical() | {"dense_share": share}
            return TableRow(name, hybrid, about | {"retriever": about["retriever"] | blend})
        plain: dict[str, Callable[[], Retriever]] = {
            "none": NoRetriever,
            "random": RandomRetriever,
            "recent": RecentRetriever,
            "bm25": lambda: self._bm25,
            "oracle": lambda: OracleRetriever(self._bm25),
        }
        return TableRow(name, plain[name](), {"retriever": self._lexical()} if name in ("bm25", "oracle") else {})

    def _encoder(self, name: str) -> Retriever:
        if name not in self._dense:
            encoders = self._rows.encoders
            sides = encoders.sides(name, self._task)
            dense = DenseRetriever(encoders.of(name).encoder, self._rows.new_index, sides)
            self._dense[name] = MemoisedRetriever(dense, self._depth)
        return self._dense[name]

    def _lexical(self) -> dict[str, Any]:
        return {"bm25": asdict(self._rows.bm25)}

    def _about(self, name: str) -> dict[str, Any]:
        index = str(getattr(self._rows.new_index, "keywords", self._rows.new_index))
        about = {"encoder": self._rows.encoders.of(name).protocol, "index": index}
        return {"sides": asdict(self._rows.encoders.sides(name, self._task)), "retriever": about}
