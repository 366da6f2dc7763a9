"""`evaluate.py action=index`: several indexes over the vectors of the same corpus, beside exact search."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedder.bounds import Limit, PositiveInt
from embedder.checks import checked
from embedder.encoders.config import EncoderConfig
from embedder.errors import ConfigError
from embedder.evaluation.datasets import EvaluatedDataset, read_datasets
from embedder.evaluation.row_encoders import RowEncoders
from embedder.evaluation.tasks_of_checkpoint import evaluated_pairs
from embedder.files import write_atomically
from embedder.index.measure import IndexMeasure, Truth, measure_index
from embedder.preparation.datasets import Source
from embedder.results.plain_text import markdown_line
from embedder.results.table import align
from embedder.training.task import Task
from embedder.types import VectorIndex, Vectors
from embedder.vectors.settings import VectorSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexRow:
    """One index over one corpus.

    Args:
        dataset: Task and data set.
        keys: Size of the corpus.
        index: Name of the index.
        measure: What was measured; None if it could not be built.
        why: Why it could not.
    """

    dataset: str
    keys: int
    index: str
    measure: IndexMeasure | None
    why: str = ""


@checked("run")
@dataclass(frozen=True)
class IndexRun:
    """What `evaluate.py action=index` does.

    Args:
        tasks: The task mix.
        source: Names the data sets, whose test queries are searched.
        encoder: The base encoder, which is used where there is no checkpoint.
        vectors: Where vectors of keys lie.
        indexes: What makes an empty index, by name.
        names: Which of them; None for all.
        checkpoint: The trained encoder.
        output_dir: Where `index.md` and `index.json` go.
        tasks_of_checkpoint: Of the mix only the tasks that the checkpoint was trained on and that the source has.
        top_k: Keys that are searched for a query.
        max_test_queries: Test queries of a data set, at most.
        alone: Queries that are also searched one by one, for their latency.
    """

    tasks: dict[str, Task]
    source: Source
    encoder: EncoderConfig
    vectors: VectorSettings
    indexes: Mapping[str, Callable[[], VectorIndex]]
    names: Sequence[str] | None
    checkpoint: str | None
    output_dir: str
    tasks_of_checkpoint: bool = False
    top_k: PositiveInt = 10
    max_test_queries: Limit | None = None
    alone: PositiveInt = 200

    def __post_init__(self) -> None:
        if unknown := [name for name in self.names or () if name not in self.indexes]:
            raise ConfigError("run.names", f"names among {list(self.indexes)}", unknown[0])

    def run(self) -> list[IndexRow]:
        """Measure every index over every corpus; the table is written after each."""
        pairs = evaluated_pairs(self.tasks, self.source, self.checkpoint, of_checkpoint=self.tasks_of_checkpoint)
        rows: list[IndexRow] = []
        for evaluated in read_datasets(pairs, self.max_test_queries):
            vectors, truth = self._exact(evaluated)
            for name in self.names or self.indexes:
                rows.append(self._row(evaluated, name, vectors, truth))
                self._write(rows)
        logger.info("\n%s\n", render(rows, self.top_k))
        logger.info("indexes: %s", Path(self.output_dir) / "index.md")
        return rows

    def _exact(self, evaluated: EvaluatedDataset) -> tuple[Vectors, Truth]:
        encoders = RowEncoders(self.encoder, self.checkpoint, self.vectors)
        encoder, sides = encoders.of(encoders.fused).encoder, encoders.sides(encoders.fused, evaluated.task)
        vectors = encoder.vectors(evaluated.corpus, sides.key, progress=True)
        queries = encoder.encode([query.text for query in evaluated.queries], sides.query)
        return vectors, Truth.of(vectors, queries, self.top_k)

    def _row(self, evaluated: EvaluatedDataset, name: str, vectors: Vectors, truth: Truth) -> IndexRow:
        logger.info("%s: %s over %d keys, %d queries", evaluated.name, name, len(vectors), len(truth.queries))
        try:
            measure = measure_index(self.indexes[name](), vectors, truth, alone=self.alone, progress=True)
        except ConfigError as error:  # such as too few keys to train on, which other indexes need not be
            logger.warning("%s cannot be built over %s: %s", name, evaluated.name, error)
            return IndexRow(evaluated.name, len(vectors), name, None, str(error))
        return IndexRow(evaluated.name, len(vectors), name, measure)

    def _write(self, rows: Sequence[IndexRow]) -> None:
        folder = Path(self.output_dir)
        about: dict[str, Any] = {
            "top_k": self.top_k,
            "indexes": {name: str(getattr(made, "keywords", made)) for name, made in self.indexes.items()},
            "rows": [asdict(row) for row in rows],
        }
        write_atomically(folder / "index.json", json.dumps(about, indent=1))
        write_atomically(folder / "index.md", f"{render(rows, self.top_k)}\n")


def render(rows: Sequence[IndexRow], top_k: int) -> str:
    """The rows as a table in Markdown, then why an index could not be built."""
    head = ["corpus", "keys", "index", f"recall@{top_k}", "p50 ms", "p95 ms", "queries/s", "built in s"]
    lines, reasons = [[*head, "bytes a vector"]], []
    for row in rows:
        cells = ["-"] * 6
        if (found := row.measure) is None:
            reasons.append(f"\n- {row.index} over {row.dataset}: {markdown_line(row.why)}")
        else:
            size = "none of its own" if found.bytes_per_vector is None else f"{found.bytes_per_vector:,.0f}"
            built = "before" if found.build_seconds is None else f"{found.build_seconds:,.1f}"
            cells = [f"{found.recall:.3f}", f"{found.p50_ms:.2f}", f"{found.p95_ms:.2f}"]
            cells += [f"{found.queries_per_second:,.0f}", built, size]
        lines.append([row.dataset, f"{row.keys:,}", row.index, *cells])
    return align(lines) + "".join(["\n", *reasons] if reasons else [])
