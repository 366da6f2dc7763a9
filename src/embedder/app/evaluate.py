"""Evaluate: one table with every baseline, and a JSON file in which every number carries its protocol."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from embedder.app.jobs import Source, dataset_pairs, shown_prompt
from embedder.app.rows import TITLES, TableRows
from embedder.app.start import environment
from embedder.data.corpus import Corpus
from embedder.data.prepared import write_atomically
from embedder.data.queries import Queries, first_by_hash
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, check_types
from embedder.evaluation.benchmark import Benchmark
from embedder.evaluation.rag import RagSettings, single_shot
from embedder.evaluation.retrieval import retrieval_scores
from embedder.evaluation.retrievers import DenseRetriever, Retriever
from embedder.evaluation.table import Row, render
from embedder.models.encoder import EncoderConfig
from embedder.training.task import Task
from embedder.types import LanguageModel, Query, VectorIndex

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateRun:
    """What `evaluate.py` does.

    Args:
        tasks: The task mix.
        source: Names the data sets; their test queries are used, never those of training.
        encoder: The base encoder.
        new_index: Makes an empty index.
        language_model: Answers questions.
        checkpoint: What the row `trained` loads; without one the row is left out.
        rows: Which retrievers, in which order.
        cutoffs: Places at which ranking metrics are cut.
        max_queries: Test queries of a data set, at most.
        precision: `32-true`, or `bf16-mixed` for encoders whose layers compute in bfloat16.
        base_instructions: Whether the base encoder gets the task's instructions, on which it was not trained.
        rag: How answers are made.
        rag_enabled: Whether the LLM answers at all.
        benchmark: Which means are reported beside those of data sets.
        output_dir: Where `scores.json` and `table.md` go.
    """

    tasks: dict[str, Task]
    source: Source
    encoder: EncoderConfig
    new_index: Callable[[], VectorIndex]
    language_model: LanguageModel
    checkpoint: str | None
    rows: Sequence[str]
    cutoffs: Sequence[int]
    rag: RagSettings
    output_dir: str
    max_queries: int | None = None
    precision: str = "32-true"
    base_instructions: bool = False
    rag_enabled: bool = True
    benchmark: Benchmark | None = None

    def __post_init__(self) -> None:
        check_types(self, "run")
        if self.max_queries is not None and self.max_queries < 1:
            raise ConfigError("run.max_queries", "1 or more, or null for all", self.max_queries)
        if (
            not isinstance(self.cutoffs, list | tuple)
            or not self.cutoffs
            or not all(type(cutoff) is int and cutoff > 0 for cutoff in self.cutoffs)
        ):
            raise ConfigError("run.cutoffs", "a list of whole numbers above 0", self.cutoffs)

    def run(self) -> list[Row]:
        """Score everything, log the tables, write the JSON."""
        self.new_index()
        found = self._datasets()
        table_rows = TableRows.load(
            self.rows,
            self.encoder,
            self.checkpoint,
            self.new_index,
            base_instructions=self.base_instructions,
            precision=self.precision,
        )
        by_task = {task.name: table_rows.retrievers(task) for task, _ in found}
        rows: list[Row] = []
        path = Path(self.output_dir) / "scores.json"
        protocol = {"environment": environment(), "checkpoint": self.checkpoint, "encoder": asdict(self.encoder)}
        for task, dataset in found:
            rows += self._score(task, dataset, by_task[task.name])
            rows += self.benchmark.dataset_means(rows) if self.benchmark and dataset is found[-1][1] else []
            table = render(rows, self.cutoffs)
            done = {"protocol": protocol, "rows": [row.as_json() for row in rows]}
            write_atomically(path, json.dumps(done, indent=1))  # after each data set: what is scored is kept
            write_atomically(path.with_name("table.md"), table)
        logger.info("\n%s", table)
        logger.info("scores: %s", path)
        return rows

    def _datasets(self) -> list[tuple[Task, Dataset]]:
        """All data sets, read once, so that what is wrong with one shows before the first is scored."""
        found = dataset_pairs(self.source, self.tasks)
        for _, dataset in found:
            if dataset.records is not None:
                expected = "corpus or world: published records have no test queries (docs/data.md tells the other form)"
                raise ConfigError("source", expected, str(dataset.records))
            self._queries(dataset, Corpus(dataset.file("corpus")))
        return found

    def _queries(self, dataset: Dataset, corpus: Corpus) -> list[Query]:
        queries = list(Queries(dataset.file("test"), corpus))
        return queries if self.max_queries is None else first_by_hash(queries, self.max_queries, "test")

    def _score(self, task: Task, dataset: Dataset, retrievers: dict[str, Retriever]) -> list[Row]:
        corpus = Corpus(dataset.file("corpus"))
        queries = self._queries(dataset, corpus)
        answered = self._answered(task, queries)
        prompt = shown_prompt(task, dataset, corpus) if answered else None
        protocol = {
            "files": dataset.fingerprint(["corpus", "test"]),
            "precision": self.precision,
            "queries": len(queries),
            "answered": len(answered),
            "prompt": repr(prompt),
            "llm": self.language_model.fingerprint if answered else None,
            "rag": asdict(self.rag) if answered else None,
        }
        rows = []
        for name, retriever in retrievers.items():
            logger.info(
                "%s/%s: %s over %d keys, %d queries", task.name, dataset.name, TITLES[name], len(corpus), len(queries)
            )
            retriever.fit(corpus)
            rankings = retriever.retrieve(queries, max(*self.cutoffs, self.rag.top_k))
            metrics = retrieval_scores(queries, rankings, self.cutoffs) if name != "none" else None
            means = {} if metrics is None else metrics.mean
            per_query = {} if metrics is None else dict(metrics.per_query)
            if answered and prompt is not None:
                by_id = {query.id: ranking for query, ranking in zip(queries, rankings, strict=True)}
                shown = [by_id[query.id] for query in answered]
                result = single_shot(answered, shown, corpus, self.language_model, prompt, self.rag)
                means, per_query = means | result.mean, per_query | result.per_query
            means |= self.benchmark.part_means(queries, per_query) if self.benchmark else {}
            sides = {"sides": asdict(retriever.sides)} if isinstance(retriever, DenseRetriever) else {}
            rows.append(Row(task.name, dataset.name, TITLES[name], means, per_query, protocol | sides))
        return rows

    def _answered(self, task: Task, queries: Sequence[Query]) -> list[Query]:
        """The queries that the LLM answers: those with answers, of tasks with a prompt."""
        if not self.rag_enabled or task.prompt is None:
            return []
        with_answers = [query for query in queries if any(answer.strip() for answer in query.answers)]
        return first_by_hash(with_answers, self.rag.max_queries or len(with_answers), "rag")
