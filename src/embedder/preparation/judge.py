"""The judge of a data set: what the LLM is shown for each query and candidate, and the scores that it gives."""

import logging
import time
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import TypeVar

from embedder.data.prompts import Prompt
from embedder.llm.abilities import runs_here
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.waves import run_in_waves
from embedder.preparation.long_prompts import query_named
from embedder.preparation.reward_settings import Rewards
from embedder.processes import TOGETHER
from embedder.rewards.early_stop import EarlyStopReport
from embedder.rewards.engine import RewardEngine
from embedder.rewards.requests import LabelRequest, lead_of
from embedder.rewards.tables import ScoreTable
from embedder.types import Candidate, Query

logger = logging.getLogger(__name__)

_VERIFY_TOLERANCE = 1e-2  # nats; other processors and batch shapes differ by about 1e-4

Item = TypeVar("Item")
Proposed = tuple[Query, tuple[Candidate, ...]]


class Judge:
    """Rewards of the candidates of some queries, chunk after chunk.

    Args:
        prompt: How a query and a candidate are shown.
        settings: How they are judged.
        path: Where the queries come from.
        repeated: Ids of the queries whose text an earlier query has. Most of their prompts are in the store by then,
            and what is missing is judged in calls of their own.
        language_model: The LLM with its stores, where another judge has opened them; None to open them.
    """

    def __init__(
        self,
        prompt: Prompt,
        settings: Rewards,
        path: Path,
        repeated: Set[str] = frozenset(),
        language_model: CachedLanguageModel | None = None,
    ) -> None:
        self.prompt = prompt
        self.early_stop_report: EarlyStopReport | None = None if settings.early_stop is None else EarlyStopReport()
        self._settings, self._path, self.repeated = settings, path, repeated
        self._language_model = language_model or settings.stored_language_model()
        self._engine = settings.engine(self._language_model)

    def __call__(self, proposed: Sequence[Proposed]) -> list[ScoreTable]:
        """Scores of each query's candidates, in order; of the first ones only where it stopped early.

        Args:
            proposed: Queries with their candidates: `TOGETHER` times a whole number of them, or the last ones.
        """
        if not proposed:
            return []
        requests = self._label(proposed, self._calls(proposed))
        in_order = [requests[query.id] for query, _ in proposed]
        self._engine.warn_about(in_order)
        self._verify(in_order)
        return self._engine.tables(in_order)

    def label_part(self, proposed: Sequence[Proposed]) -> None:
        """Judge a part of the queries into the store, but for repeated texts: their first may be in another part.

        Args:
            proposed: See `__call__`.
        """
        calls = self._calls(proposed)
        self._label(proposed, [call for call in calls if call[0][0].id not in self.repeated])

    def label(
        self, requests: Sequence[LabelRequest], queries: Sequence[Query], blocks: Sequence[int]
    ) -> list[ScoreTable]:
        """Scores of all candidates of requests that were made of these queries.

        Args:
            requests: What the LLM is shown.
            queries: One for each request.
            blocks: A number for each, in rising order: neighbours of the same number are judged in one call, but for
                repeated texts.
        """
        self._language_model.refresh()
        calls: dict[tuple[int, str], list[int]] = {}
        for k, (query, block) in enumerate(zip(queries, blocks, strict=True)):
            calls.setdefault((block, query.id if query.id in self.repeated else ""), []).append(k)

        def judge(call: Sequence[int]) -> None:
            with query_named(self._path, [queries[k] for k in call]):
                self._engine.label([requests[k] for k in call])

        self._run(list(calls.values()), judge)
        self._engine.warn_about(requests)
        return self._engine.tables(requests)

    def _calls(self, proposed: Sequence[Proposed]) -> list[list[Proposed]]:
        calls: list[list[Proposed]] = []
        for start in range(0, len(proposed), TOGETHER):
            some = proposed[start : start + TOGETHER]
            calls.append([pair for pair in some if pair[0].id not in self.repeated])
            calls += [[pair] for pair in some if pair[0].id in self.repeated]
        return [call for call in calls if call]

    def _label(self, proposed: Sequence[Proposed], calls: Sequence[Sequence[Proposed]]) -> dict[str, LabelRequest]:
        """The requests that are judged, by query."""
        started, scored = time.perf_counter(), self._language_model.n_scored.copy()
        requests: dict[str, LabelRequest] = {}
        self._language_model.refresh()  # once: no two parts share a prompt

        self._run(calls, lambda call: requests.update(self._judge_together(call)))
        scored = self._language_model.n_scored - scored
        logger.info(
            "labelled %d queries in %.1f s: %d prompts with %d outputs scored, the rest was in the store",
            *(len(proposed), time.perf_counter() - started, scored["prompts"], scored["outputs"]),
        )
        return requests

    def _run(self, calls: Sequence[Sequence[Item]], judge: Callable[[Sequence[Item]], None]) -> None:
        """Make the calls, each as a whole."""

        def judge_wave(wave: Sequence[Sequence[Item]]) -> None:
            for call in wave:
                judge(call)

        if runs_here(self._settings.language_model):
            with self._language_model.whole_calls() as save:
                every = self._language_model.save_seconds
                run_in_waves(
                    calls, judge_wave, save, "labelling", every, lambda: self.tokens_run, 1, "calls of the LLM"
                )
        elif calls:  # a server makes batches of its own, and many requests keep it busy
            judge([item for call in calls for item in call])

    def _judge_together(self, proposed: Sequence[Proposed]) -> dict[str, LabelRequest]:
        with query_named(self._path, [query for query, _ in proposed]):
            requests = [self.request(query, candidates) for query, candidates in proposed]
            if self._settings.early_stop is not None and self.early_stop_report is not None:
                labelled = [sum(c.source == "gold" for c in candidates) for _, candidates in proposed]
                early_stop, reward = self._settings.early_stop, self._settings.reward
                rewards, report = early_stop.label(self._engine, reward, requests, labelled)
                self.early_stop_report += report
                requests = [request.first(len(earned)) for request, earned in zip(requests, rewards, strict=True)]
            else:
                self._engine.label(requests)
        return {query.id: request for (query, _), request in zip(proposed, requests, strict=True)}

    def _verify(self, requests: Sequence[LabelRequest]) -> None:
        if self._settings.verify and isinstance(self._engine, RewardEngine):
            worst = self._engine.verify(requests, self._settings.verify, _VERIFY_TOLERANCE)
            n_scored = min(self._settings.verify, sum(len(r.candidate_prompts) + 1 for r in requests))
            logger.info("scored %d stored prompts again, live: largest difference %.1e nats", n_scored, worst)

    @property
    def tokens_run(self) -> int:
        """Tokens that the LLM has run so far; what is in the store costs none."""
        return self._settings.language_model.tokens_run

    def count_scored(self, proposed: Sequence[tuple[Query, tuple[Candidate, ...]]]) -> tuple[int, int]:
        """How many of the prompts of some queries are scored already, and all of them."""
        requests = [self.request(query, candidates) for query, candidates in proposed]
        total = sum(len(request.prompts) for request in requests)
        return total - sum(self.count_left(requests)), total

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
