"""Which retriever a row of the evaluation table stands for."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from embedder.data.forms.histories import Histories
from embedder.digests import digest_of
from embedder.encoders.checkpoint import TrainedEncoder, existing, load_trained
from embedder.encoders.config import EncoderConfig
from embedder.encoders.cut import CutEncoder
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.half_precision import HalfPrecisionEncoder
from embedder.errors import ConfigError
from embedder.index.bm25_settings import BM25Settings
from embedder.index.cached_encoder import CachedEncoder
from embedder.models.device import torch_device, warn_of_slow_bfloat16
from embedder.preparation.dense import encoder_protocol, with_own_prompts
from embedder.results.measures import ALONE
from embedder.retrieval.retrievers import (
    BM25Retriever,
    DenseRetriever,
    HybridRetriever,
    MemoisedRetriever,
    NoRetriever,
    OracleRetriever,
    RandomRetriever,
    RecentRetriever,
    Retriever,
)
from embedder.training.task import Task
from embedder.types import Encoder, Query, TaskSides, VectorIndex

TITLES = {
    "none": ALONE,
    "random": "random",
    "recent": "most recent",
    "bm25": "BM25",
    "base": "base encoder",
    "hybrid": "hybrid",
    "trained": "trained encoder",
    "oracle": "oracle",
}

PRECISIONS = ("32-true", "bf16-mixed")
_HYBRID_DEPTH = 100  # keys of each part that are fused


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


@dataclass(frozen=True)
class TableRows:
    """The models behind the rows, each loaded once.

    Args:
        names: Which rows, in their order.
        base: The untrained encoder, if a row needs it.
        trained: What `checkpoint` names, if a row needs it.
        new_index: Makes an empty index.
        base_instructions: Whether the base encoder gets the task's instructions, on which it was not trained, in
            place of the prompts of its own folder.
        encoder: The base encoder.
        identities: What the vectors of the models depend on, by row.
        bm25: How BM25 ranks.
        own: Retrievers of the user's own, by the names of their rows.
    """

    names: tuple[str, ...]
    base: Encoder | None
    trained: TrainedEncoder | None
    new_index: Callable[[], VectorIndex]
    base_instructions: bool
    encoder: EncoderConfig
    identities: dict[str, Any]
    bm25: BM25Settings = BM25Settings()  # noqa: RUF009  # frozen
    own: Mapping[str, Retriever] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        wanted: Sequence[str] | None,
        encoder: EncoderConfig,
        checkpoint: str | None,
        new_index: Callable[[], VectorIndex],
        vectors: Path,
        *,
        base_instructions: bool,
        precision: str = "32-true",
        bm25: BM25Settings = BM25Settings(),  # noqa: B008  # frozen
        own: Mapping[str, Retriever] = MappingProxyType({}),
    ) -> "TableRows":
        """Load what the rows need.

        Args:
            wanted: Names of rows; None for all, of which `trained` is left out where no checkpoint is named.
            encoder: The base encoder.
            checkpoint: The trained one.
            new_index: Makes an empty index.
            vectors: Directory where vectors of keys are kept.
            base_instructions: Whether the base encoder gets the task's instructions.
            precision: `32-true`, or `bf16-mixed` for layers in bfloat16.
            bm25: How BM25 ranks.
            own: Retrievers of the user's own, by name.

        Raises:
            ConfigError: A row is unknown or named twice, or `trained` is asked for without a checkpoint.
        """
        known = [*TITLES, *own]
        if twice := [name for name in own if name in TITLES]:
            raise ConfigError("retrievers", f"names beside those of the rows {list(TITLES)}", twice[0])
        names = tuple(dict.fromkeys(known if wanted is None else wanted))
        if not names or (unknown := [row for row in names if row not in known]):
            raise ConfigError("rows", f"names among {known}", unknown[0] if names else [])
        if checkpoint is None and wanted is not None and "trained" in names:
            raise ConfigError("checkpoint", "a checkpoint or an exported folder, since rows asks for `trained`", None)
        if checkpoint is not None:
            existing(checkpoint)  # even where no row reads it: a path that is written wrongly is told
        names = tuple(name for name in names if name != "trained" or checkpoint is not None)
        if precision not in PRECISIONS:
            raise ConfigError("run.precision", f"one of {list(PRECISIONS)}", precision)
        device = None if precision == "32-true" else torch_device(encoder.device, "encoder.device").type
        if device is not None:
            warn_of_slow_bfloat16(device, "run.precision", "32-true")

        def ready(some: Encoder, identity: Any) -> CachedEncoder:
            faster = some if device is None else HalfPrecisionEncoder(some, device)
            return CachedEncoder(faster, _digest([identity, precision]), vectors)

        identities: dict[str, Any] = {}
        base, trained = None, None
        if "base" in names or ("hybrid" in names and checkpoint is None):
            identities["base"] = encoder_protocol(encoder)
            base = ready(TextEncoder(encoder), identities["base"])
        if checkpoint is not None and {"trained", "hybrid"} & {*names}:
            identities["trained"] = {"files": _digest_of_files(Path(checkpoint))}
            loaded = load_trained(checkpoint)
            found = loaded.encoder
            if (size := encoder.dimension) is not None and size != found.dimension:  # the base encoder beside it is cut
                found = CutEncoder(found, size)
                identities["trained"] |= {"dimension": size}
            trained = replace(loaded, encoder=ready(found, identities["trained"]))
        return cls(names, base, trained, new_index, base_instructions, encoder, identities, bm25, own)

    def rows(self, task: Task) -> list[TableRow]:
        """The rows for a task: `recent` for dialogues alone.

        Raises:
            ConfigError: The trained model does not know the task.
        """
        parts = _Parts(self, task)
        is_dialogue = isinstance(task.form, Histories)
        return [parts.row(name) for name in self.names if name != "recent" or is_dialogue]

    def sides(self, name: str, task: Task) -> TaskSides:
        """How the encoder of a row reads queries and keys of a task.

        Raises:
            ConfigError: The trained model does not know the task.
        """
        if name == "base":
            return task.sides if self.base_instructions else with_own_prompts(task.sides, self.encoder)
        assert self.trained is not None  # noqa: S101  # the caller has seen it
        if self.trained.sides is not None:
            return self.trained.sides
        if task.name not in self.trained.tasks:
            raise ConfigError("checkpoint", f"a model trained on the task {task.name!r}", sorted(self.trained.tasks))
        return self.trained.tasks[task.name]


class _Parts:
    """The retrievers of one task; those that several rows need are fitted once."""

    def __init__(self, rows: TableRows, task: Task) -> None:
        self._rows, self._task = rows, task
        self._depth = _HYBRID_DEPTH if "hybrid" in rows.names else 1
        self._dense: dict[str, MemoisedRetriever] = {}

    @cached_property
    def _bm25(self) -> Retriever:
        return MemoisedRetriever(BM25Retriever(self._rows.bm25), self._depth)

    def row(self, name: str) -> TableRow:
        fused = "base" if self._rows.trained is None else "trained"
        if name in self._rows.own:
            return TableRow(name, self._rows.own[name], {"retriever": {"own": repr(self._rows.own[name])}})
        if name in ("base", "trained"):
            return TableRow(name, self._encoder(name), self._about(name))
        if name == "hybrid":
            hybrid = HybridRetriever([self._bm25, self._encoder(fused)], _HYBRID_DEPTH)
            about = self._about(fused)
            return TableRow(name, hybrid, about | {"retriever": about["retriever"] | self._lexical()})
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
            encoder = self._rows.base if name == "base" or self._rows.trained is None else self._rows.trained.encoder
            assert encoder is not None  # noqa: S101  # loaded for the rows that need it
            sides = self._rows.sides(name, self._task)
            dense = DenseRetriever(encoder, self._rows.new_index, sides)
            self._dense[name] = MemoisedRetriever(dense, self._depth)
        return self._dense[name]

    def _lexical(self) -> dict[str, Any]:
        return {"bm25": asdict(self._rows.bm25)}

    def _about(self, name: str) -> dict[str, Any]:
        index = str(getattr(self._rows.new_index, "keywords", self._rows.new_index))
        about = {"encoder": self._rows.identities[name], "index": index}
        return {"sides": asdict(self._rows.sides(name, self._task)), "retriever": about}


def has_gold(queries: Sequence[Query]) -> bool:
    """Whether any query has gold keys, without which an oracle knows nothing."""
    return any(query.positives for query in queries)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _digest_of_files(path: Path) -> str:
    """Of a file, or of all files of a directory with their names."""
    existing(path)
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return _digest([[str(file.relative_to(path)), digest_of(file)] for file in files])
