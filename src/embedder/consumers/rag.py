"""Retrieval-augmented answering: a consumer at work, its answers scored and measured against the LLM alone."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from embedder.bounds import Limit
from embedder.checks import checked
from embedder.consumers.consumer import Consumer, Outcome, Scene, Search, needs_answers
from embedder.consumers.paired import against_alone, measured, sample_competitors
from embedder.data.queries import first_by_hash
from embedder.llm.abilities import writes_only
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.types import Query, Ranking

logger = logging.getLogger(__name__)


@checked("rag")
@dataclass(frozen=True)
class RagSettings:
    """Which queries the LLM answers, and what its answers are compared with; how it answers is up to the consumer.

    Args:
        differing: Names of two rows: only queries for which these show the LLM different keys are answered, since all
            others cancel in a comparison of the two; None for all queries.
        max_answered: At most so many queries are answered, chosen by a hash of their ids; None for all.
        competitors: How the outputs are sampled among which gold answers are ranked; None for no such outputs.
    """

    differing: Sequence[str] | None = None
    max_answered: Limit | None = None
    competitors: OutputSettings | None = field(default_factory=OutputSettings)

    def choose(self, answerable: Sequence[Query]) -> list[Query]:
        """The queries that are answered: of those that can be, the first by a hash."""
        return first_by_hash(answerable, self.max_answered or len(answerable), "rag")


def answerable(queries: Sequence[Query], consumer: Consumer) -> list[Query]:
    """The queries that have what a consumer is scored by: a gold answer, or a labelled key."""
    by_answers = needs_answers(consumer)
    return [query for query in queries if (any(map(str.strip, query.answers)) if by_answers else query.positives)]


@dataclass(frozen=True)
class RagResult:
    """The result of each query, and its scores.

    Args:
        outcomes: By query id.
        per_query: Metric -> query id -> value.
    """

    outcomes: dict[str, Outcome]
    per_query: dict[str, dict[str, float]]


def no_keys(queries: Sequence[Query], top_k: int) -> list[Ranking]:
    """Empty rankings: the `search` of an LLM without retrieval."""
    return [Ranking((), ()) for _ in queries]


class RagEvaluation:
    """One consumer on some queries of a data set, row after row.

    The LLM answers the queries without retrieval once, for `gain` and `harm` of every row.

    Args:
        consumer: What the LLM does.
        queries: Each with an answer.
        scene: The corpus, the LLM and the prompt; its `search` is replaced by that of each row.
        competitors: How the outputs are sampled among which gold answers are ranked; None for no such outputs.
    """

    def __init__(
        self, consumer: Consumer, queries: Sequence[Query], scene: Scene, competitors: OutputSettings | None
    ) -> None:
        self._consumer, self._queries, self._scene = consumer, list(queries), scene
        self._sampled: dict[str, tuple[str, ...]] = {}
        self._settings = competitors
        if writes_only(scene.language_model):
            logger.info("the LLM gives no log-likelihoods: log_likelihood, rank and gain are left out")
        self._alone: tuple[list[Outcome], list[dict[str, float]]] | None = None

    def alone(self) -> RagResult:
        """The LLM without retrieval."""
        return self._result(*self._without_keys())

    def score(self, rankings: Sequence[Ranking], search: Search) -> RagResult:
        """Let the consumer work with one retriever.

        Args:
            rankings: One for each query.
            search: The retriever that they come from.
        """
        return self._result(*self._consume(self._consumer, rankings, search))

    def _without_keys(self) -> tuple[list[Outcome], list[dict[str, float]]]:
        if self._alone is None:
            self._alone = self._consume(self._consumer.alone, no_keys(self._queries, 0), no_keys)
        return self._alone

    def _result(self, outcomes: Sequence[Outcome], scores: Sequence[dict[str, float]]) -> RagResult:
        """Beside the scores what retrieval changed."""
        per_query: dict[str, dict[str, float]] = {}
        for query, own, alone in zip(self._queries, scores, self._without_keys()[1], strict=True):
            for metric, value in (own | against_alone(own, alone)).items():
                per_query.setdefault(metric, {})[query.id] = value
        return RagResult(dict(zip((query.id for query in self._queries), outcomes, strict=True)), per_query)

    def _consume(
        self, consumer: Consumer, rankings: Sequence[Ranking], search: Search
    ) -> tuple[list[Outcome], list[dict[str, float]]]:
        scene = replace(self._scene, search=search, rivals=self._rivals)
        outcomes = consumer.consume(self._queries, rankings, scene)
        return outcomes, measured(outcomes, self._competitors(outcomes), scene.language_model)

    def _competitors(self, outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
        """Sampled outputs for the outcomes that bring no competitors."""
        wanted = [query for query, o in zip(self._queries, outcomes, strict=True) if o.competitors is None]
        found = dict(zip((query.id for query in wanted), self._rivals(wanted), strict=True))
        return [found.get(query.id, ()) for query in self._queries]

    def _rivals(self, queries: Sequence[Query]) -> list[tuple[str, ...]]:
        """Sampled outputs, the same in every row."""
        if new := [query for query in queries if query.id not in self._sampled]:
            sampled = sample_competitors(new, self._settings, self._scene.language_model, self._scene.prompt)
            self._sampled |= dict(zip((query.id for query in new), sampled, strict=True))
        return [self._sampled[query.id] for query in queries]
