"""The judge of a data set: what the LLM is shown for each query and candidate, and the scores that it gives."""

import logging
from collections.abc import Sequence
from pathlib import Path

from embedder.data.prompts import Prompt
from embedder.preparation.long_prompts import query_named
from embedder.preparation.reward_settings import Rewards
from embedder.rewards.early_stop import EarlyStopReport
from embedder.rewards.engine import RewardEngine
from embedder.rewards.requests import LabelRequest, lead_of
from embedder.rewards.tables import ScoreTable
from embedder.types import Candidate, Query

logger = logging.getLogger(__name__)

_VERIFY_TOLERANCE = 1e-2  # nats; other processors and batch shapes differ by about 1e-4


class Judge:
    """Rewards of the candidates of some queries, chunk after chunk.

    Args:
        prompt: How a query and a candidate are shown.
        settings: How they are judged.
        path: Where the queries come from.
    """

    def __init__(self, prompt: Prompt, settings: Rewards, path: Path) -> None:
        self.prompt = prompt
        self.early_stop_report: EarlyStopReport | None = None if settings.early_stop is None else EarlyStopReport()
        self._settings, self._path = settings, path
        self._engine = settings.engine()

    def __call__(self, proposed: Sequence[tuple[Query, tuple[Candidate, ...]]]) -> list[ScoreTable]:
        """Scores of each query's candidates, in order; of the first ones only where it stopped early."""
        with query_named(self._path, [query for query, _ in proposed]):
            return self._tables(proposed)

    def _tables(self, proposed: Sequence[tuple[Query, tuple[Candidate, ...]]]) -> list[ScoreTable]:
        requests = [self.request(query, candidates) for query, candidates in proposed]
        if self._settings.early_stop is not None and self.early_stop_report is not None:
            labelled = [sum(c.source == "gold" for c in candidates) for _, candidates in proposed]
            rewards, report = self._settings.early_stop.label(self._engine, self._settings.reward, requests, labelled)
            self.early_stop_report += report
            requests = [request.first(len(earned)) for request, earned in zip(requests, rewards, strict=True)]
        else:
            self._engine.label(requests)
        tables = self._engine.tables(requests)
        if self._settings.verify and isinstance(self._engine, RewardEngine):
            worst = self._engine.verify(requests, self._settings.verify, _VERIFY_TOLERANCE)
            n_scored = min(self._settings.verify, sum(len(r.candidate_prompts) + 1 for r in requests))
            logger.info("scored %d stored prompts again, live: largest difference %.1e nats", n_scored, worst)
        return tables

    def label(self, requests: Sequence[LabelRequest], queries: Sequence[Query]) -> list[ScoreTable]:
        """Scores of all candidates of requests that were made of these queries."""
        with query_named(self._path, queries):
            self._engine.label(requests)
            return self._engine.tables(requests)

    @property
    def tokens_run(self) -> int:
        """Tokens that the LLM has run so far; what is in the store costs none."""
        return self._settings.language_model.tokens_run

    def count_scored(self, proposed: Sequence[tuple[Query, tuple[Candidate, ...]]]) -> tuple[int, int]:
        """How many of the prompts of some queries are scored already, and all of them."""
        return self._engine.count_scored([self.request(query, candidates) for query, candidates in proposed])

    def count_left(self, requests: Sequence[LabelRequest]) -> list[int]:
        """How many prompts of each request labelling would still score."""
        return self._engine.count_left(requests)

    def request(
        self, query: Query, candidates: Sequence[Candidate], sampled_with: Sequence[str] | None = None
    ) -> LabelRequest:
        """What the LLM is shown for a query.

        Args:
            query: The query.
            candidates: Its candidates.
            sampled_with: Texts that competitors are sampled with in place of those of the unlabelled candidates.
        """
        shown = [self.prompt.render(query.text, [candidate.key.text]) for candidate in candidates]
        if sampled_with is None:
            sampled_with = [candidate.key.text for candidate in candidates if candidate.source != "gold"]
        sampled_with = sampled_with[: self._settings.sample_with_candidates]
        return LabelRequest(
            prompt=self.prompt.render(query.text),
            candidate_prompts=tuple(shown),
            answers=tuple(self.prompt.output(answer) for answer in query.answers if answer.strip()),
            sample_prompts=tuple(self.prompt.render(query.text, [text]) for text in sampled_with),
            options=tuple(self.prompt.output(option) for option in query.options if option.strip()),
            lead=lead_of(self.prompt.output),
            question=query.text,
            candidates=tuple(candidate.key.text for candidate in candidates),
        )
