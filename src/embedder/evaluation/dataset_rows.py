"""The rows of one data set: what each retriever finds, and what the LLM answers with it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from embedder.consumers.consumer import Consumer, Outcome, Scene, needs_answers
from embedder.consumers.query_lines import query_lines
from embedder.consumers.rag import RagEvaluation, RagSettings, answerable, no_keys
from embedder.data.copies import count_copies
from embedder.data.prompts import QuestionPrompt
from embedder.evaluation.datasets import EvaluatedDataset
from embedder.evaluation.rows import TableRow
from embedder.identity import described
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.preparation.few_shot import shown_prompt
from embedder.results.answers import Answered
from embedder.results.row import Row
from embedder.retrieval.benchmark import Benchmark
from embedder.retrieval.retrieval import answer_recalls, retrieval_scores
from embedder.texts import stretches
from embedder.types import LanguageModel, Query, Ranking

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationSettings:
    """What every data set is evaluated by.

    Args:
        cutoffs: Ranks at which ranking metrics are cut.
        precision: Of the encoders.
        benchmark: Which parts of data sets are reported separately, and which metric counts for a query.
        consumer: What the LLM does, in place of each task's own.
        rag: Which queries the LLM answers, and what its answers are compared with; None where it answers none.
        language_model: Answers questions.
        store_dir: Where it is kept what the LLM said.
    """

    cutoffs: Sequence[int]
    precision: str
    benchmark: Benchmark | None
    consumer: Consumer | None
    rag: RagSettings | None
    language_model: LanguageModel
    store_dir: Path

    @cached_property
    def cached_language_model(self) -> LanguageModel:
        """The LLM with its memory, opened when a data set needs it first."""
        return CachedLanguageModel(self.language_model, self.store_dir)


class DatasetRows:
    """What all rows of one data set share.

    Args:
        evaluated: The data set.
        settings: Of the evaluation.
        rows: Of its task.
    """

    def __init__(self, evaluated: EvaluatedDataset, settings: EvaluationSettings, rows: Sequence[TableRow]) -> None:
        self._evaluated, self._settings = evaluated, settings
        task, queries = evaluated.task, evaluated.queries
        consumer: Consumer | None = settings.consumer or task.consumer
        self._answerable: list[Query] | None = None
        """Those that the LLM could be asked; None where it is not asked."""
        self._differing: list[Query] = []
        """Of these, those that `rag.differing` leaves."""
        self._answered: list[Query] = []
        if settings.rag is not None and consumer is not None and (task.prompt or not needs_answers(consumer)):
            self._answerable = answerable(queries, consumer)
            self._differing = self._shown_differently(settings.rag, rows, consumer)
            self._answered = settings.rag.choose(self._differing)
        self._consumer = consumer if self._answered else None
        self._finds_answers = consumer is not None and consumer.finds_answers
        self._rag: RagEvaluation | None = None
        about_llm = dict.fromkeys(("prompt", "llm", "consumer", "consumer_texts", "rag"))
        if self._consumer is not None and settings.rag is not None:
            prompt = shown_prompt(task, evaluated.dataset, evaluated.corpus, evaluated.lender)
            about_llm = {
                "prompt": described(prompt),
                "llm": settings.language_model.fingerprint,
                "consumer": described(self._consumer),
                "consumer_texts": list(self._consumer.texts),
                "rag": asdict(settings.rag),
            }
            scene = Scene(evaluated.corpus, no_keys, settings.cached_language_model, prompt or QuestionPrompt())
            self._rag = RagEvaluation(self._consumer, self._answered, scene, settings.rag.competitors)
            self._tell_long_answers(getattr(self._consumer, "max_new_tokens", None))
        self._protocol: dict[str, Any] = {
            "files": evaluated.dataset.fingerprint(["corpus", "test"]),
            "precision": settings.precision,
            "queries": len(queries),
            "keys": len(evaluated.corpus),
            "answered": len(self._answered),
            "left_out": self._left_out(),
            "cutoffs": list(settings.cutoffs),
            **about_llm,
            **(settings.benchmark.protocol() if settings.benchmark is not None else {}),
            "copies": self._copies(),
        }

    def _left_out(self) -> dict[str, int]:
        """Queries that retrieval is not scored on, and those that the LLM does not answer, with the reason."""
        queries = self._evaluated.queries
        reasons = {"no relevant key": sum(not query.positives for query in queries)}
        if self._answerable is not None:
            reasons |= {
                "no answer": len(queries) - len(self._answerable),
                "shown the same keys (rag.differing)": len(self._answerable) - len(self._differing),
                "not asked (rag.max_answered)": len(self._differing) - len(self._answered),
            }
        return {reason: n for reason, n in reasons.items() if n}

    def _shown_differently(self, rag: RagSettings, rows: Sequence[TableRow], consumer: Consumer) -> list[Query]:
        """Of the answerable queries those for which the two rows of `rag.differing`, if any, find different texts."""
        answerable, corpus = self._answerable or [], self._evaluated.corpus
        if rag.differing is None or not answerable:
            return answerable
        shown: list[dict[str, list[str]]] = []
        for row in (row for row in rows if row.name in rag.differing):
            rankings = self._rankings(row, consumer)
            texts = [[corpus[corpus.position(key)].text for key in one.key_ids[: consumer.top_k]] for one in rankings]
            shown.append(dict(zip((query.id for query in self._evaluated.queries), texts, strict=True)))
        one, other = shown
        differing = [query for query in answerable if one[query.id] != other[query.id]]
        told = (self._evaluated.name, " and ".join(rag.differing), len(differing), len(answerable))
        logger.info("%s: %s show the LLM different keys for %d of %d queries", *told)
        return differing

    def _rankings(self, row: TableRow, consumer: Consumer | None) -> list[Ranking]:
        """What a row finds for all queries, as deep as it is scored and shown."""
        row.retriever.fit(self._evaluated.corpus)
        depth = max(*self._settings.cutoffs, consumer.top_k if consumer is not None else 1)
        return row.retriever.retrieve(self._evaluated.queries, depth)

    def _copies(self) -> dict[str, int]:
        """How many texts the corpus holds twice."""
        copies = count_copies(self._evaluated.corpus, self._evaluated.queries)
        if copies.texts:
            logger.warning(
                "%s: the corpus holds %d texts twice or more; for %d queries a copy of a gold key counts as wrong",
                self._evaluated.name,
                copies.texts,
                copies.queries,
            )
        return asdict(copies)

    def row(self, title: str, about: Mapping[str, Any]) -> Row:
        """A row without scores."""
        evaluated, benchmark = self._evaluated, self._settings.benchmark
        parts = {} if benchmark is None else benchmark.parts(evaluated.queries)
        macro = () if benchmark is None else benchmark.macro
        protocol = self._protocol | dict(about)
        return Row(evaluated.task.name, evaluated.dataset.name, title, {}, protocol, parts, macro)

    def score(self, row: TableRow, scored: Row) -> tuple[Row, list[Answered]]:
        """The row with its scores, and its lines."""
        queries, corpus, benchmark = self._evaluated.queries, self._evaluated.corpus, self._settings.benchmark
        rankings = self._rankings(row, self._consumer)
        self._tell_unranked(row, rankings)
        per_query = {} if row.name == "none" else self._retrieval(rankings)
        outcomes: dict[str, Outcome] = {}
        if self._rag is not None:
            by_id = {query.id: ranking for query, ranking in zip(queries, rankings, strict=True)}
            answered = [by_id[query.id] for query in self._answered]
            rag = self._rag.alone() if row.name == "none" else self._rag.score(answered, row.retriever.retrieve)
            per_query, outcomes = per_query | rag.per_query, rag.outcomes
        if benchmark is not None and (counts := benchmark.score(queries, per_query)):
            per_query["score"] = counts
        done = replace(scored, per_query=per_query)
        return done, list(query_lines(done, queries, rankings, outcomes, corpus))

    def _retrieval(self, rankings: Sequence[Ranking]) -> dict[str, dict[str, float]]:
        """Metric -> query id -> value, of rankings alone."""
        queries, cutoffs = self._evaluated.queries, self._settings.cutoffs
        per_query = retrieval_scores(queries, rankings, cutoffs)
        if self._finds_answers:  # without an LLM too: no reader can gain more than the answers that it is shown
            per_query |= answer_recalls(queries, rankings, self._evaluated.corpus, cutoffs)
        return per_query

    def _tell_long_answers(self, n_tokens: int | None) -> None:
        """Questions that cannot be answered rightly, since a word is a token or more."""
        if n_tokens is None or not self._finds_answers:
            return
        answers = [[len(stretches(one)) for one in query.answers if one.strip()] for query in self._answered]
        if long := sum(min(lengths) > n_tokens for lengths in answers):
            of_task = "" if self._settings.consumer is not None else f"tasks.{self._evaluated.task.name}."
            counts = (long, len(answers), n_tokens)
            logger.warning(
                "%s: for %d of %d questions every answer has more words than the %d tokens that the LLM writes: em and "
                "contains are 0; shorten the answers to what decides, or raise %sconsumer.max_new_tokens",
                *(self._evaluated.name, *counts, of_task),
            )

    def _tell_unranked(self, row: TableRow, rankings: Sequence[Ranking]) -> None:
        unranked = sum(not ranking.key_ids for ranking in rankings)
        if row.name == "bm25" and unranked:
            logger.warning(
                "%s: BM25 finds no word of any key in %d of %d queries, so it retrieves nothing for them (single "
                "letters, digits, punctuation and stop words do not count as words; conf/bm25)",
                self._evaluated.name,
                unranked,
                len(rankings),
            )
