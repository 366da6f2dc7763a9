"""Evaluate: one table with every baseline, and a folder in which every number carries its protocol."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning as L

from embedder.bounds import Limit
from embedder.checks import checked
from embedder.consumers.consumer import Consumer, shows_first_keys
from embedder.consumers.rag import RagSettings
from embedder.data.overlap import trained_on
from embedder.data.sources import Dataset
from embedder.encoders.config import EncoderConfig
from embedder.entry.environment import environment
from embedder.errors import ConfigError
from embedder.evaluation.dataset_rows import EvaluationSettings
from embedder.evaluation.datasets import check_unseen, read_datasets
from embedder.evaluation.evaluate import evaluate, optimised
from embedder.evaluation.row_encoders import RowEncoders
from embedder.evaluation.rows import TableRow, TableRows, row_names
from embedder.evaluation.tasks_of_checkpoint import evaluated_pairs
from embedder.index.bm25_settings import BM25Settings
from embedder.locks import locked
from embedder.preparation.datasets import Source
from embedder.report.page import write_report
from embedder.results.folder import EvaluationFolder
from embedder.results.row import Row
from embedder.results.scores import Scores
from embedder.results.table import render
from embedder.retrieval.benchmark import Benchmark
from embedder.retrieval.retrievers import Retriever
from embedder.training.task import Task
from embedder.types import LanguageModel, VectorIndex
from embedder.vectors.predict import EncodingEngine, elsewhere, new_trainer, starts_by_script
from embedder.vectors.settings import VectorSettings

logger = logging.getLogger(__name__)

_PRINTED_COLUMNS = 7  # of metrics, beside the names of the rows: what a terminal has room for


@checked("run")
@dataclass(frozen=True)
class EvaluateRun:
    """What `evaluate.py` does.

    Args:
        tasks: The task mix.
        source: Names the data sets; their test queries are used, never those of training.
        encoder: The base encoder.
        new_index: Makes an empty index.
        language_model: Answers questions.
        checkpoint: What the row `trained` loads.
        rows: Which retrievers, in which order; None for all that there can be, `trained` with a checkpoint alone.
        cutoffs: Ranks at which ranking metrics are cut.
        rag: Which queries the LLM answers, and what its answers are compared with.
        output_dir: Where `scores.json`, `queries.jsonl`, `table.md` and `report.html` go.
        store_dir: Where it is kept what the LLM said.
        vectors: Where vectors of keys lie.
        trainer: Makes the Lightning trainer whose processes encode corpora; None for this process.
        engine: See `EncodeRun`.
        consumer: What the LLM does, in place of each task's own.
        max_test_queries: Test queries of a data set, at most.
        precision: `32-true`, or `bf16-mixed` for encoders whose layers compute in bfloat16.
        rag_enabled: Whether the LLM answers at all.
        optimise: What a sweep optimises, as METRIC or ROW/METRIC.
        benchmark: Which parts of data sets are reported separately, and which metric counts for a query.
        tasks_of_checkpoint: Of the mix only the tasks that the checkpoint was trained on and that the source has.
        bm25: How BM25 ranks.
        retrievers: Of the user's own, each a row under its name.
    """

    tasks: dict[str, Task]
    source: Source
    encoder: EncoderConfig
    new_index: Callable[[], VectorIndex]
    language_model: LanguageModel
    checkpoint: str | None
    rows: Sequence[str] | None
    cutoffs: Sequence[int]
    rag: RagSettings
    output_dir: str
    optimise: str
    store_dir: str
    vectors: VectorSettings
    trainer: Callable[..., L.Trainer] | None = None
    engine: EncodingEngine | None = None
    consumer: Consumer | None = None
    max_test_queries: Limit | None = None
    precision: str = "32-true"
    rag_enabled: bool = True
    benchmark: Benchmark | None = None
    tasks_of_checkpoint: bool = False
    bm25: BM25Settings = BM25Settings()  # noqa: RUF009  # frozen
    retrievers: Mapping[str, Retriever] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.cutoffs or min(self.cutoffs) < 1:
            raise ConfigError("run.cutoffs", "a list of whole numbers above 0", self.cutoffs)

    @property
    def kept(self) -> str:
        """What a stopped run leaves."""
        return (
            f"rows that were done are kept in {self.output_dir}, what the LLM has said in {self.store_dir}; "
            f"to resume, run the same command with hydra.run.dir={self.output_dir}"
        )

    def run(self) -> float | None:
        """Score everything; returns the mean that a sweep optimises, if the row has one."""
        return optimised(Scores(self.score()), self.optimise)

    def score(self) -> list[Row]:
        """Score everything and write it, row by row; started again in the same folder, it resumes.

        Raises:
            DataError: Another process writes into the folder.
        """
        with locked(Path(self.output_dir)):
            return self._score_all()

    def _score_all(self) -> list[Row]:
        self.new_index()  # what is wrong with its settings shows before anything is read
        trainer = self._trainer()
        pairs = self.pairs()
        datasets = read_datasets(pairs, self.max_test_queries)
        if self.benchmark is not None:
            for _, dataset in pairs:
                dataset.file("test")  # a mean over some data sets of a benchmark is none of it
            for evaluated in datasets:
                self.benchmark.check(evaluated.queries, answered=self.rag_enabled)
        check_unseen([dataset for _, dataset in pairs], self.checkpoint)
        rows = self._rows([task for task, _ in pairs], trainer)
        folder = EvaluationFolder(Path(self.output_dir), self._protocol([dataset for _, dataset in pairs]))
        settings = EvaluationSettings(
            cutoffs=self.cutoffs,
            precision=self.precision,
            benchmark=self.benchmark,
            consumer=self.consumer,
            rag=self.rag if self.rag_enabled else None,
            language_model=self.language_model,
            store_dir=Path(self.store_dir),
        )
        evaluate(datasets, rows, settings, folder)
        self._tell(folder)
        return folder.rows

    def pairs(self) -> list[tuple[Task, Dataset]]:
        """Task and data set of all data sets."""
        return evaluated_pairs(self.tasks, self.source, self.checkpoint, of_checkpoint=self.tasks_of_checkpoint)

    def _rows(self, tasks: Sequence[Task], trainer: L.Trainer | None) -> dict[str, list[TableRow]]:
        """The rows by task."""
        names = row_names(self.rows, self.checkpoint, list(self.retrievers))
        encoders = RowEncoders(
            self.encoder,
            self.checkpoint,
            self.vectors,
            precision=self.precision,
            encode_elsewhere=elsewhere(self.engine, trainer),
        )
        table_rows = TableRows(names, encoders, self.new_index, self.bm25, self.retrievers)
        rows = {task.name: table_rows.rows(task) for task in tasks}
        if "recent" in (self.rows or ()) and not any(row.name == "recent" for own in rows.values() for row in own):
            raise ConfigError("rows", "no `recent`, since no task of the mix is about dialogues", "recent")
        if (two := self.rag.differing) is not None:
            for own in rows.values():
                if len(two) != 2 or len({row.name for row in own} & set(two)) != 2:
                    raise ConfigError(
                        "rag.differing", f"two of the rows {[row.name for row in own]}, or null", list(two)
                    )
            for task in tasks:
                consumer = self.consumer or task.consumer
                if self.rag_enabled and consumer is not None and not shows_first_keys(consumer):
                    name = type(consumer).__name__
                    expected = f"null, since {name} ({task.name}) searches again or skips keys: any query may differ"
                    raise ConfigError("rag.differing", expected, list(two))
        return rows

    def _trainer(self) -> L.Trainer | None:
        """Encodes corpora on its devices."""
        if self.trainer is None:
            return None
        trainer = new_trainer(self.trainer)
        if starts_by_script(trainer):
            expected = "auto or ddp_spawn (action=encode encodes corpora ahead with any other, on several machines too)"
            raise ConfigError("trainer.strategy", expected, type(trainer.strategy).__name__)
        return trainer

    def _protocol(self, datasets: Sequence[Dataset]) -> dict[str, Any]:
        """What all rows depend on."""
        return {
            "environment": environment(),
            "checkpoint": self.checkpoint,
            "encoder": asdict(self.encoder),
            "test_questions_trained_on": {
                f"{dataset.task}/{dataset.name}": own.as_json() for dataset, own in trained_on(datasets).items()
            },
        }

    def _tell(self, folder: EvaluationFolder) -> None:
        """Print the table, and write the page."""
        logger.info("\n%s\n", render(folder.rows, most=_PRINTED_COLUMNS))
        logger.info("all columns: %s", folder.scores_path.with_name("table.md"))
        logger.info("scores: %s", folder.scores_path)
        if any(row.per_query for row in folder.rows):
            logger.info("page: %s", write_report(Path(self.output_dir)))
        else:
            logger.warning("no query has gold keys or was answered, so no page is written")
