"""How candidates are judged: the prompt of the task, the reward engine over the stores, and when to stop."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from embedder.checks import check_types
from embedder.data.prompts import Prompt
from embedder.errors import ConfigError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.sampled_outputs import OutputSettings
from embedder.preparation.long_prompts import query_named
from embedder.rewards.early_stop import EarlyStop, EarlyStopReport
from embedder.rewards.engine import RewardEngine
from embedder.rewards.requests import LabelRequest, lead_of
from embedder.rewards.reward import NoReward, needs_competitors
from embedder.rewards.tables import Reward, ScoreTable
from embedder.training.task import Task
from embedder.types import Candidate, LanguageModel, Query

logger = logging.getLogger(__name__)

_VERIFY_TOLERANCE = 1e-2  # nats; other processors and batch shapes differ by about 1e-4


@dataclass(frozen=True)
class Rewards:
    """How candidates are judged.

    Args:
        language_model: The LLM that the retriever is trained for.
        reward: From stored log-likelihoods to rewards.
        store: Directory of the stored log-likelihoods and sampled outputs.
        shipped_stores: Directories of read-only stores, looked into first.
        n_outputs: See `RewardEngine`.
        temperature: See `RewardEngine`.
        max_new_tokens: See `RewardEngine`.
        max_answers: See `RewardEngine`.
        seed: See `RewardEngine`.
        sample_with_candidates: Competitors are sampled with each of the first so many unlabelled candidates in the
            prompt, which makes them harder; 0 samples them without a candidate, as the paper does.
        early_stop: When to stop judging the candidates of a query; None judges all.
        verify: So many prompts whose scores are computed again and compared with the store.
    """

    language_model: LanguageModel
    reward: Reward
    store: str
    shipped_stores: list[str] = field(default_factory=list)
    n_outputs: int = 10
    temperature: float = 1.0
    max_new_tokens: int = 12
    max_answers: int = 3
    seed: int = 0
    sample_with_candidates: int = 0
    early_stop: EarlyStop | None = None
    verify: int = 0

    def __post_init__(self) -> None:
        check_types(self, "prepare.rewards")
        if self.sample_with_candidates < 0:
            raise ConfigError("prepare.rewards.sample_with_candidates", "0 or more", self.sample_with_candidates)
        if self.verify < 0:
            raise ConfigError("prepare.rewards.verify", "0 or more", self.verify)

        if self.n_outputs == 0 and needs_competitors(self.reward):
            expected = f"1 or more, since {type(self.reward).__name__} ranks the answer among sampled outputs"
            raise ConfigError("prepare.rewards.n_outputs", expected, self.n_outputs)

    def of_task(self, task: Task) -> "Rewards":
        """How the candidates of a task are judged: these settings with what the task sets itself.

        Raises:
            ConfigError: The task's settings do not go together.
        """
        own = {name: getattr(task.labelling, name) for name in ("reward", "n_outputs", "max_new_tokens")}
        try:
            judged = replace(self, **{name: value for name, value in own.items() if value is not None})
        except ConfigError as error:
            setting = error.setting.rpartition(".")[2]
            raise ConfigError(f"tasks.{task.name}.labelling.{setting}", error.expected, error.got) from error
        if isinstance(judged.reward, NoReward):
            expected = f"a kind of reward, since the objective of task {task.name!r} distils them"
            raise ConfigError("reward", expected, "none")
        return judged

    def engine(self) -> RewardEngine:
        """The engine over the stores."""
        shipped = [Path(path) for path in self.shipped_stores]
        return RewardEngine(CachedLanguageModel(self.language_model, Path(self.store), shipped), self.outputs)

    @property
    def outputs(self) -> OutputSettings:
        """Which outputs are scored."""
        return OutputSettings(self.n_outputs, self.temperature, self.max_new_tokens, self.max_answers, self.seed)

    def protocol(self) -> dict[str, Any]:
        """What the log-likelihoods of the candidates depend on; the reward only if it decides which are judged."""
        names = ("n_outputs", "temperature", "max_new_tokens", "max_answers", "seed", "sample_with_candidates")
        early_stop = None if self.early_stop is None else [repr(self.early_stop), repr(self.reward)]
        return {
            "llm": self.language_model.fingerprint,
            "early_stop": early_stop,
            **{name: getattr(self, name) for name in names},
        }


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
            requests = [
                replace(request, candidate_prompts=request.candidate_prompts[: len(earned)])
                for request, earned in zip(requests, rewards, strict=True)
            ]
        else:
            self._engine.label(requests)
        tables = self._engine.tables(requests)
        if self._settings.verify:
            worst = self._engine.verify(requests, self._settings.verify, _VERIFY_TOLERANCE)
            n_scored = min(self._settings.verify, sum(len(r.candidate_prompts) + 1 for r in requests))
            logger.info("scored %d stored prompts again, live: largest difference %.1e nats", n_scored, worst)
        return tables

    def count_scored(self, proposed: Sequence[tuple[Query, tuple[Candidate, ...]]]) -> tuple[int, int]:
        """How many of the prompts of some queries are scored already, and all of them."""
        return self._engine.count_scored([self.request(query, candidates) for query, candidates in proposed])

    def count_left(self, requests: Sequence[LabelRequest]) -> list[int]:
        """How many prompts of each request labelling would still score."""
        return self._engine.count_left(requests)

    def request(self, query: Query, candidates: Sequence[Candidate]) -> LabelRequest:
        """What the LLM is shown for a query."""
        shown = [self.prompt.render(query.text, [candidate.key.text]) for candidate in candidates]
        unlabelled = [text for text, c in zip(shown, candidates, strict=True) if c.source != "gold"]
        return LabelRequest(
            prompt=self.prompt.render(query.text),
            candidate_prompts=tuple(shown),
            answers=tuple(self.prompt.output(answer) for answer in query.answers if answer.strip()),
            sample_prompts=tuple(unlabelled[: self._settings.sample_with_candidates]),
            options=tuple(self.prompt.output(option) for option in query.options if option.strip()),
            lead=lead_of(self.prompt.output),
        )
