"""Evaluate: one table with every baseline, and a folder in which every number carries its protocol."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from embedder.app.rows import TITLES, TableRow, TableRows, has_gold
from embedder.app.start import environment
from embedder.app.tasks_of_checkpoint import tasks_of_checkpoint, tasks_with_data
from embedder.bounds import Limit
from embedder.checks import checked
from embedder.consumers.consumer import Consumer, Outcome, Scene
from embedder.consumers.query_lines import query_lines
from embedder.consumers.rag import RagEvaluation, RagSettings, no_keys
from embedder.data.copies import count_copies
from embedder.data.corpus import Corpus
from embedder.data.overlap import trained_on
from embedder.data.queries import Queries, first_by_hash
from embedder.data.sources import Dataset
from embedder.encoders.checkpoint import trained_data
from embedder.encoders.config import EncoderConfig
from embedder.errors import ConfigError
from embedder.files import write_atomically
from embedder.index.bm25_settings import BM25Settings
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.locks import locked
from embedder.preparation.datasets import Source, dataset_pairs
from embedder.preparation.few_shot import shown_prompt
from embedder.preparation.long_prompts import query_named
from embedder.report.page import write_report
from embedder.results.answers import Answered
from embedder.results.folder import EvaluationFolder
from embedder.results.needed import questions_text
from embedder.results.resampling import Sampling
from embedder.results.row import Row
from embedder.results.scores import Scores
from embedder.results.table import render
from embedder.retrieval.benchmark import Benchmark
from embedder.retrieval.retrieval import answer_recalls, retrieval_scores
from embedder.retrieval.retrievers import Retriever
from embedder.training.task import Task
from embedder.types import LanguageModel, Query, VectorIndex

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
        vectors_dir: Where vectors of keys are kept.
        consumer: What the LLM does, in place of each task's own.
        max_test_queries: Test queries of a data set, at most.
        precision: `32-true`, or `bf16-mixed` for encoders whose layers compute in bfloat16.
        base_instructions: Whether the base encoder gets the task's instructions, on which it was not trained.
        rag_enabled: Whether the LLM answers at all.
        optimise: What a sweep goes by, as METRIC or ROW/METRIC.
        benchmark: Which parts of data sets are reported apart, and what counts for a query.
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
    vectors_dir: str
    consumer: Consumer | None = None
    max_test_queries: Limit | None = None
    precision: str = "32-true"
    base_instructions: bool = False
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
        """Score everything; returns the mean that a sweep goes by, where the row has one."""
        return optimised(Scores(self.score()), self.optimise)

    def score(self) -> list[Row]:
        """Score everything and write it, row by row; started again in the same folder, it goes on.

        Raises:
            DataError: Another process writes into the folder.
        """
        with locked(Path(self.output_dir)):
            return self._score_all()

    def _score_all(self) -> list[Row]:
        self.new_index()
        found = self._datasets()
        self._check_unseen([dataset for _, dataset in found])
        table_rows = TableRows.load(
            self.rows,
            self.encoder,
            self.checkpoint,
            self.new_index,
            Path(self.vectors_dir),
            base_instructions=self.base_instructions,
            precision=self.precision,
            bm25=self.bm25,
            own=self.retrievers,
        )
        by_task = {task.name: table_rows.rows(task) for task, _ in found}
        if "recent" in (self.rows or ()) and not any(row.name == "recent" for some in by_task.values() for row in some):
            raise ConfigError("rows", "no `recent`, since no task of the mix is about dialogues", "recent")
        overlap = {f"{one.task}/{one.name}": n for one, n in trained_on([dataset for _, dataset in found]).items()}
        protocol = {
            "environment": environment(),
            "checkpoint": self.checkpoint,
            "encoder": asdict(self.encoder),
            "test_questions_trained_on": overlap,
        }
        folder = EvaluationFolder(Path(self.output_dir), protocol)
        for task, dataset in found:
            lender = next((other for its, other in found if its.name == task.name and other.train is not None), None)
            self._score(task, dataset, by_task[task.name], folder, lender)
        folder.close()
        self._write_table(folder, sampling=Sampling())
        logger.info("\n%s\n", render(folder.rows, most=_PRINTED_COLUMNS))
        logger.info("all columns: %s", folder.scores_path.with_name("table.md"))
        logger.info("scores: %s", folder.scores_path)
        if any(row.per_query for row in folder.rows):
            logger.info("page: %s", write_report(Path(self.output_dir)))
        else:
            logger.warning("no query has gold keys or was answered, so no page is written")
        return folder.rows

    def _datasets(self) -> list[tuple[Task, Dataset]]:
        """All data sets, read once, so that what is wrong with one shows before the first is scored."""
        tasks = self.tasks
        if self.tasks_of_checkpoint:
            tasks = tasks_with_data(tasks_of_checkpoint(tasks, self.checkpoint), self.source)
        found = dataset_pairs(self.source, tasks)
        for _, dataset in found:
            if dataset.records is not None:
                expected = "corpus or world: published records have no test queries (docs/data.md tells the other form)"
                raise ConfigError("source", expected, str(dataset.records))
            queries = self._queries(dataset, self._corpus(dataset))
            if self.benchmark is not None:
                self.benchmark.check(queries, answered=self.rag_enabled)
        return found

    def _check_unseen(self, datasets: Sequence[Dataset]) -> None:
        """What `source.test_share` keeps for tests must have been kept in training too."""
        if self.checkpoint is None or all(dataset.before_split is None for dataset in datasets):
            return
        trained = {about.get("files") for about in trained_data(self.checkpoint).values()}
        for dataset in datasets:
            whole = replace(dataset, train=dataset.before_split)
            if dataset.before_split is not None and whole.fingerprint(["corpus", "train"]) in trained:
                expected = (
                    f"null, or a checkpoint that was trained with it, since this one has seen all of {dataset.name}"
                )
                raise ConfigError("source.test_share", expected, self.checkpoint)

    def _queries(self, dataset: Dataset, corpus: Corpus) -> list[Query]:
        queries = list(Queries(dataset.file("test"), corpus))
        return queries if self.max_test_queries is None else first_by_hash(queries, self.max_test_queries, "test")

    def _score(
        self, task: Task, dataset: Dataset, rows: Sequence[TableRow], folder: EvaluationFolder, lender: Dataset | None
    ) -> None:
        """Add the rows of one data set to the folder."""
        corpus = self._corpus(dataset)
        queries = self._queries(dataset, corpus)
        work = _Work(self, task, dataset, corpus, queries, lender)
        copies = count_copies(corpus, queries)
        if copies.texts:
            logger.warning(
                "%s/%s: the corpus holds %d texts twice or more; for %d queries a copy of a gold key counts as wrong",
                task.name,
                dataset.name,
                copies.texts,
                copies.queries,
            )
        work.protocol |= {"copies": asdict(copies)}
        for row in rows:
            where = f"{task.name}/{dataset.name}: {row.title}"
            if row.name == "oracle" and not has_gold(queries):
                logger.info("%s is left out, because no query has gold keys", where)
                continue
            scored = work.row(row.title, row.about)
            if folder.take(scored):
                logger.info("%s was scored before and is skipped", where)
                continue
            logger.info("%s over %d keys, %d queries", where, len(corpus), len(queries))
            with query_named(dataset.file("test"), queries):
                folder.add(*work.score(row, scored))
            self._write_table(folder, sampling=None)

    def _write_table(self, folder: EvaluationFolder, *, sampling: Sampling | None) -> None:
        table = render(folder.rows, sampling=sampling)
        needed = questions_text(folder.rows)
        text = f"{table}\n\n{needed}\n" if needed else f"{table}\n"
        write_atomically(folder.scores_path.with_name("table.md"), text)

    def _corpus(self, dataset: Dataset) -> Corpus:
        """The corpus of a data set, read once: that checks every line, and takes minutes where there are millions."""
        path = dataset.file("corpus")
        if path not in self._corpora:
            self._corpora[path] = Corpus(path)
        return self._corpora[path]

    @cached_property
    def _corpora(self) -> dict[Path, Corpus]:
        return {}

    @cached_property
    def cached_language_model(self) -> LanguageModel:
        """The LLM with its memory, opened when a data set needs it first."""
        return CachedLanguageModel(self.language_model, Path(self.store_dir))


def optimised(scores: Scores, name: str) -> float | None:
    """The mean over data sets and tasks of a metric: of the named row, or else of the trained or the base encoder.

    Args:
        scores: Of an evaluation.
        name: As `ndcg@10` or `hybrid/ndcg@10`.
    """
    row, _, metric = name.rpartition("/")
    rows = [TITLES.get(row, row)] if row else [TITLES["trained"], TITLES["base"]]
    who = next((title for title in rows if title in scores.retrievers), None)
    return None if who is None else scores.value(metric, who, scores.datasets())


class _Work:
    """What all rows of one data set share.

    Args:
        run: The settings.
        task: Of the data set.
        dataset: Its files.
        corpus: Its keys.
        queries: Those that are retrieved for.
        lender: A data set of the task whose solved queries are shown where this one has none.
    """

    def __init__(
        self,
        run: EvaluateRun,
        task: Task,
        dataset: Dataset,
        corpus: Corpus,
        queries: Sequence[Query],
        lender: Dataset | None = None,
    ) -> None:
        self._run, self._task, self._dataset, self._corpus, self._queries = run, task, dataset, corpus, queries
        consumer: Consumer | None = run.consumer or task.consumer
        answers = run.rag_enabled and consumer is not None and task.prompt is not None
        self._answered = run.rag.choose(queries) if answers else []
        self._consumer = consumer if self._answered else None
        prompt = shown_prompt(task, dataset, corpus, lender) if self._answered else None
        self._rag: RagEvaluation | None = None
        if self._consumer is not None and prompt is not None:
            scene = Scene(corpus, no_keys, run.cached_language_model, prompt)
            self._rag = RagEvaluation(self._consumer, self._answered, scene, run.rag.competitors)
        self.protocol: dict[str, Any] = {
            "files": dataset.fingerprint(["corpus", "test"]),
            "precision": run.precision,
            "queries": len(queries),
            "answered": len(self._answered),
            "left_out": self._left_out(asks=answers),
            "cutoffs": list(run.cutoffs),
            "prompt": repr(prompt) if self._answered else None,
            "llm": run.language_model.fingerprint if self._answered else None,
            "consumer": repr(self._consumer) if self._answered else None,
            "consumer_texts": list(self._consumer.texts) if self._consumer is not None else None,
            "rag": asdict(run.rag) if self._answered else None,
        } | (run.benchmark.protocol() if run.benchmark is not None else {})

    def _left_out(self, *, asks: bool) -> dict[str, int]:
        """Queries that retrieval is not scored on, and those that the LLM is not asked, with the reason."""
        n_answers = sum(any(map(str.strip, query.answers)) for query in self._queries)
        reasons = {"no relevant key": sum(not query.positives for query in self._queries)}
        if asks:
            reasons |= {
                "no answer": len(self._queries) - n_answers,
                "not asked (rag.max_answered)": n_answers - len(self._answered),
            }
        return {reason: n for reason, n in reasons.items() if n}

    def row(self, title: str, about: Mapping[str, Any]) -> Row:
        """A row without scores."""
        benchmark = self._run.benchmark
        parts = {} if benchmark is None else benchmark.parts(self._queries)
        macro = () if benchmark is None else benchmark.macro
        return Row(self._task.name, self._dataset.name, title, {}, self.protocol | dict(about), parts, macro)

    def score(self, row: TableRow, scored: Row) -> tuple[Row, list[Answered]]:
        """The row with its scores, and its lines."""
        row.retriever.fit(self._corpus)
        depth = max(*self._run.cutoffs, self._consumer.top_k if self._consumer is not None else 1)
        rankings = row.retriever.retrieve(self._queries, depth)
        unranked = sum(not ranking.key_ids for ranking in rankings)
        if row.name == "bm25" and unranked:
            logger.warning(
                "%s/%s: BM25 finds no word of any key in %d of %d queries, so it retrieves nothing for them (single "
                "letters, digits, punctuation and stop words do not count as words; conf/bm25)",
                self._task.name,
                self._dataset.name,
                unranked,
                len(rankings),
            )
        per_query: dict[str, dict[str, float]] = {}
        if row.name != "none":
            metrics = retrieval_scores(self._queries, rankings, self._run.cutoffs)
            if metrics is not None:
                per_query = dict(metrics.per_query)
            if self._consumer is not None and self._consumer.finds_answers:
                per_query |= answer_recalls(self._queries, rankings, self._corpus, self._run.cutoffs)
        outcomes: dict[str, Outcome] = {}
        if self._rag is not None:
            by_id = {query.id: ranking for query, ranking in zip(self._queries, rankings, strict=True)}
            result = (
                self._rag.alone()
                if row.name == "none"
                else self._rag.score([by_id[query.id] for query in self._answered], row.retriever.retrieve)
            )
            per_query, outcomes = per_query | result.per_query, result.outcomes
        benchmark = self._run.benchmark
        if benchmark is not None and (counts := benchmark.score(self._queries, per_query)):
            per_query["score"] = counts
        done = replace(scored, per_query=per_query)
        return done, list(query_lines(done, self._queries, rankings, outcomes, self._corpus))
