"""Evaluate: one table with every baseline, and a JSON file in which every number carries its protocol."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from embedder.app.jobs import Source
from embedder.app.prepare import Preparation
from embedder.app.start import environment
from embedder.data.corpus import Corpus
from embedder.data.prepared import write_atomically
from embedder.data.prompts import QuestionPrompt
from embedder.data.queries import Queries, first_by_hash
from embedder.data.sources import Dataset
from embedder.errors import ConfigError
from embedder.evaluation.rag import RagSettings, single_shot
from embedder.evaluation.retrieval import retrieval_scores
from embedder.evaluation.retrievers import BM25Retriever, DenseRetriever, NoRetriever, RandomRetriever, Retriever
from embedder.evaluation.table import Row, render
from embedder.models.checkpoint import TrainedEncoder, load_trained
from embedder.models.encoder import EncoderConfig
from embedder.models.export import TaskSides
from embedder.training.task import Task
from embedder.types import Encoder, LanguageModel, Query, VectorIndex

logger = logging.getLogger(__name__)

_ROWS = {
    "none": "no retrieval",
    "random": "random",
    "bm25": "BM25",
    "base": "base encoder",
    "trained": "trained encoder",
}


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
        base_instructions: Whether the base encoder gets the task's instructions, on which it was not trained.
        rag: How answers are made.
        rag_enabled: Whether the LLM answers at all.
        preparation: As in training: it knows which queries may be solved examples of the prompt.
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
    preparation: Preparation
    output_dir: str
    max_queries: int | None = None
    base_instructions: bool = False
    rag_enabled: bool = True

    def __post_init__(self) -> None:
        if self.max_queries is not None and self.max_queries < 1:
            raise ConfigError("run.max_queries", "1 or more, or null for all", self.max_queries)
        if not self.cutoffs or min(self.cutoffs) < 1:
            raise ConfigError("run.cutoffs", "places from 1", list(self.cutoffs))

    def run(self) -> list[Row]:
        """Score everything, log the tables, write the JSON."""
        if unknown := [row for row in self.rows if row not in _ROWS]:
            raise ConfigError("rows", f"names among {list(_ROWS)}", unknown[0])
        names = [name for name in self.rows if name != "trained" or self.checkpoint is not None]
        if not names:
            raise ConfigError("checkpoint", "a checkpoint, since `trained` is the only row", None)
        base = self.encoder.build() if "base" in names else None
        trained = load_trained(self.checkpoint) if "trained" in names and self.checkpoint is not None else None
        if trained is not None and trained.tasks and (unknown := [t for t in self.tasks if t not in trained.tasks]):
            raise ConfigError("checkpoint", f"a model trained on the task {unknown[0]!r}", sorted(trained.tasks))
        rows: list[Row] = []
        for task in self.tasks.values():
            for dataset in self.source.datasets(task.name):
                retrievers = {name: self._retriever(name, task, base, trained) for name in names}
                rows += self._score(task, dataset, retrievers)
        table = render(rows)
        logger.info("\n%s", table)
        path = Path(self.output_dir) / "scores.json"
        protocol = {"environment": environment(), "checkpoint": self.checkpoint, "encoder": asdict(self.encoder)}
        write_atomically(path, json.dumps({"protocol": protocol, "rows": [row.as_json() for row in rows]}, indent=1))
        write_atomically(path.with_name("table.md"), table)
        logger.info("scores: %s", path)
        return rows

    def _score(self, task: Task, dataset: Dataset, retrievers: dict[str, Retriever]) -> list[Row]:
        corpus = Corpus(dataset.file("corpus"))
        queries = list(Queries(dataset.file("test"), corpus))
        if self.max_queries is not None:
            queries = first_by_hash(queries, self.max_queries, "test")
        answered = self._answered(task, queries)
        prompt = self._prompt(task, dataset)
        protocol = {
            "files": dataset.fingerprint(["corpus", "test"]),
            "queries": len(queries),
            "answered": len(answered),
            "prompt": repr(prompt),
            "llm": self.language_model.fingerprint if answered else None,
            "rag": asdict(self.rag) if answered else None,
            "base_instructions": self.base_instructions,
        }
        rows = []
        for name, retriever in retrievers.items():
            logger.info(
                "%s/%s: %s over %d keys, %d queries", task.name, dataset.name, _ROWS[name], len(corpus), len(queries)
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
            rows.append(Row(task.name, dataset.name, _ROWS[name], means, per_query, protocol))
        return rows

    def _answered(self, task: Task, queries: Sequence[Query]) -> list[Query]:
        """The queries that the LLM answers: those with answers, of tasks with a prompt."""
        if not self.rag_enabled or task.prompt is None:
            return []
        with_answers = [query for query in queries if query.answers]
        return first_by_hash(with_answers, self.rag.max_queries or len(with_answers), "rag")

    def _prompt(self, task: Task, dataset: Dataset) -> QuestionPrompt | None:
        """As in labelling: the same solved examples, none of them held out."""
        if task.prompt is None or dataset.train is None:
            return task.prompt  # a data set for tests only: no solved examples can be shown
        return self.preparation.job(task, dataset).prompt

    def _retriever(self, name: str, task: Task, base: Encoder | None, trained: TrainedEncoder | None) -> Retriever:
        if name == "none":
            return NoRetriever()
        if name == "random":
            return RandomRetriever()
        if name == "bm25":
            return BM25Retriever()
        if name == "base" and base is not None:
            query, key = (task.query_instruction, task.key_instruction) if self.base_instructions else ("", "")
            return self._dense(base, TaskSides(query, key, task.query_max_length, task.key_max_length))
        if trained is None:
            raise ValueError(f"no encoder for the row {name!r}")
        if not trained.tasks:
            logger.info("%s names no tasks: it gets the instructions of the config", self.checkpoint)
            return self._dense(
                trained.encoder,
                TaskSides(task.query_instruction, task.key_instruction, task.query_max_length, task.key_max_length),
            )
        return self._dense(trained.encoder, trained.tasks[task.name])

    def _dense(self, encoder: Encoder, sides: TaskSides) -> DenseRetriever:
        return DenseRetriever(
            encoder,
            self.new_index,
            sides.query_instruction,
            sides.key_instruction,
            sides.query_max_length,
            sides.key_max_length,
        )
