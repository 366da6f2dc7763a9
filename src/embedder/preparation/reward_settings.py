"""How the candidates of the tasks that distil rewards are judged: the settings, and the engine that they make."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from embedder.bounds import NonNegativeInt
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.identity import described
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.rewards.early_stop import EarlyStop
from embedder.rewards.engine import RewardEngine
from embedder.rewards.reward import NoReward, needs_competitors
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.rewards.tables import Reward
from embedder.training.task import Task
from embedder.types import LanguageModel


@checked("prepare.rewards")
@dataclass(frozen=True)
class Rewards:
    """How candidates are judged.

    Args:
        language_model: The LLM that the retriever is trained for.
        reward: From stored log-likelihoods to rewards.
        store: Directory of the stored log-likelihoods and sampled outputs.
        shipped_stores: Directories of read-only stores, looked into first.
        outputs: Which outputs the LLM scores.
        sample_with_candidates: Competitors are sampled with each of the first so many unlabelled candidates in the
            prompt, which makes them harder; 0 samples them without a candidate, as the paper does.
        early_stop: When to stop judging the candidates of a query; None judges all.
        verify: So many prompts whose scores are computed again and compared with the store.
    """

    language_model: LanguageModel
    reward: Reward
    store: str
    shipped_stores: list[str] = field(default_factory=list)
    outputs: OutputSettings = field(default_factory=OutputSettings)
    sample_with_candidates: NonNegativeInt = 0
    early_stop: EarlyStop | None = None
    verify: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.outputs.n_outputs == 0 and needs_competitors(self.reward):
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
            judged = replace(self, reward=reward, outputs=outputs)
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

    def protocol(self) -> dict[str, Any]:
        """What the log-likelihoods of the candidates depend on; the reward only if it decides which are judged."""
        early_stop = None if self.early_stop is None else described([self.early_stop, self.reward])
        return {
            "llm": self.language_model.fingerprint,
            "early_stop": early_stop,
            **asdict(self.outputs),
            "sample_with_candidates": self.sample_with_candidates,
        }

    def column_protocol(self, task: Task) -> dict[str, Any]:
        """What the rewards of a task's records depend on beside their log-likelihoods."""
        protocol: dict[str, Any] = {"reward": described(self.of_task(task).reward), "reward_format": 2}
        gap = task.labelling.min_reward_gap
        return protocol | ({"min_reward_gap": gap} if gap else {})
