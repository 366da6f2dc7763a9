"""How the candidates of the tasks that distil rewards are judged: the settings, and the engine that they make."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from embedder.bounds import NonNegativeInt
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.identity import described
from embedder.llm.abilities import NEEDS_LIKELIHOODS, cannot_reward, estimates
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.rewards.asking import is_written
from embedder.rewards.early_stop import EarlyStop
from embedder.rewards.engine import RewardEngine
from embedder.rewards.reward import NoReward, needs_competitors, ranks_ties_first
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.rewards.tables import Reward
from embedder.rewards.written_engine import WrittenEngine
from embedder.training.budget import Budget
from embedder.training.task import Task
from embedder.types import LanguageModel


@checked("prepare.rewards")
@dataclass(frozen=True)
class Rewards:
    """How candidates are judged.

    Args:
        language_model: The LLM that the retriever is trained for.
        reward: From stored log-likelihoods, or from stored texts, to rewards.
        store: Directory of the stored log-likelihoods and texts.
        shipped_stores: Directories of read-only stores, looked into first.
        outputs: Which outputs the LLM scores.
        sample_with_candidates: Competitors are sampled with each of the first so many unlabelled candidates in the
            prompt, which makes them harder; 0 samples them without a candidate, as the paper does.
        early_stop: When to stop judging the candidates of a query; None judges all.
        verify: So many prompts whose scores are computed again and compared with the store.
        budget: How many queries of each data set the LLM judges, or how long.
    """

    language_model: LanguageModel
    reward: Reward
    store: str
    shipped_stores: list[str] = field(default_factory=list)
    outputs: OutputSettings = field(default_factory=OutputSettings)
    sample_with_candidates: NonNegativeInt = 0
    early_stop: EarlyStop | None = None
    verify: NonNegativeInt = 0
    budget: Budget = Budget()  # noqa: RUF009  # frozen

    def __post_init__(self) -> None:
        # Of an LLM that no such reward can be had from, `check_fit` says that.
        if self.outputs.n_outputs == 0 and needs_competitors(self.reward) and self._unfit is None:
            expected = f"1 or more, since {type(self.reward).__name__} ranks the answer among sampled outputs"
            raise ConfigError("llm_outputs.n_outputs", expected, 0)

    def of_task(self, task: Task) -> "Rewards":
        """How the candidates of a task are judged: these settings with what the task sets itself.

        Raises:
            ConfigError: The task's settings do not go together.
        """
        own = {name: getattr(task.labelling, name) for name in ("n_outputs", "max_new_tokens")}
        reward = self.reward if task.labelling.reward is None else task.labelling.reward
        try:
            outputs = replace(self.outputs, **{name: value for name, value in own.items() if value is not None})
            budget = self.budget.of_task(task.labelling.budget)
            judged = replace(self, reward=reward, outputs=outputs, budget=budget)
        except ConfigError as error:
            setting = error.setting.rpartition(".")[2]
            raise ConfigError(f"tasks.{task.name}.labelling.{setting}", error.expected, error.got) from error
        if isinstance(judged.reward, NoReward):
            expected = f"a kind of reward, since the objective of task {task.name!r} distils them"
            raise ConfigError("reward", expected, "none")
        judged.check_fit()
        return judged

    def check_fit(self, setting: str = "reward") -> None:
        """Refuse a reward that the LLM, or what else is set, cannot give.

        Args:
            setting: Which names the reward.

        Raises:
            ConfigError: It cannot.
        """
        name = type(self.reward).__name__
        if self._unfit is not None:
            expected, why = self._unfit
            raise ConfigError(setting, expected, f"{name}, {why}")
        if not is_written(self.reward):
            return
        if self.early_stop is not None and not self.reward.waves:
            expected = f"null, since {name} judges all candidates of a query together"
            raise ConfigError("prepare.rewards.early_stop", expected, self.early_stop)
        if self.verify:
            expected = f"0, since {name} rests on texts, which are not scored again"
            raise ConfigError("prepare.rewards.verify", expected, self.verify)

    @property
    def _unfit(self) -> tuple[str, str] | None:
        """Which reward the LLM can give, and why it cannot give this one; None if it can."""
        ties = ranks_ties_first(self.reward)
        if not is_written(self.reward) and cannot_reward(self.language_model):
            with_estimates = "likelihood or smooth_rank with " if ties else ""
            expected = f"correct, f1, contains, judged or listwise, or {with_estimates}{NEEDS_LIKELIHOODS}"
            return expected, "which needs log-likelihoods, with a chat API"
        if ties and estimates(self.language_model):
            # An answer that is not listed would be at rank 1 without a candidate, and no candidate could raise it.
            expected = "likelihood or smooth_rank (reward=likelihood) with llm.top_logprobs"
            return expected, "to which a tie costs no rank: outputs that the server does not list all tie"
        return None

    def stored_language_model(self) -> CachedLanguageModel:
        """The LLM over the stores."""
        shipped = [Path(path) for path in self.shipped_stores]
        return CachedLanguageModel(self.language_model, Path(self.store), shipped)

    def engine(self, language_model: CachedLanguageModel) -> RewardEngine | WrittenEngine:
        """What labels with it."""
        if is_written(self.reward):
            return WrittenEngine(language_model, self.reward)
        return RewardEngine(language_model, self.outputs)

    def protocol(self) -> dict[str, Any]:
        """What the tables of the candidates depend on.

        A reward from log-likelihoods counts only if it decides which candidates are judged; one from texts always, and
        how competitors are sampled does not.
        """
        early_stop = None if self.early_stop is None else described([self.early_stop, self.reward])
        protocol = {"llm": self.language_model.fingerprint, "early_stop": early_stop}
        if is_written(self.reward):
            return protocol | {"reward": described(self.reward), "texts": list(self.reward.texts)}
        return protocol | {**asdict(self.outputs), "sample_with_candidates": self.sample_with_candidates}

    def column_protocol(self, task: Task) -> dict[str, Any]:
        """What the rewards of a task's records depend on beside their log-likelihoods."""
        protocol: dict[str, Any] = {"reward": described(self.of_task(task).reward), "reward_format": 2}
        gap = task.labelling.min_reward_gap
        return protocol | ({"min_reward_gap": gap} if gap else {})
