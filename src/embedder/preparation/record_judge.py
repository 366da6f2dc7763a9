"""Rewards of new candidates of training records, as those of the records' own candidates were computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from embedder.data.prepared import PreparedDataset
from embedder.errors import ConfigError
from embedder.llm.abilities import release
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.usage import CHARACTERS_A_TOKEN
from embedder.preparation.judge import Judge
from embedder.preparation.preparation import Preparation
from embedder.preparation.reward_settings import Rewards
from embedder.rewards.tables import rewards_of
from embedder.training.task import Task
from embedder.types import Candidate, Query


class RecordJudge:
    """Lets the LLM judge candidates that training has found.

    Prompt, few-shot examples, competitors and reward are those of the preparation: the rewards of a record are of one
    scale, whenever its candidates were found. The LLM is asked only for what the store does not have.

    Args:
        judge: Of the data set.
        settings: How its task is judged.
        min_gap: See `Labelling.min_reward_gap`.
    """

    def __init__(self, judge: Judge, settings: Rewards, min_gap: float) -> None:
        self._judge, self._settings = judge, settings
        self.min_gap, self.repeated = min_gap, judge.repeated

    def __call__(
        self,
        proposed: Sequence[tuple[Query, tuple[Candidate, ...]]],
        own_negatives: Sequence[Sequence[str]],
        blocks: Sequence[int],
    ) -> list[tuple[float, ...]]:
        """One reward for each candidate of each query.

        Args:
            proposed: Queries with their candidates, all that their records will have.
            own_negatives: Texts of the negatives that the records were prepared with: competitors are sampled with
                these (`prepare.rewards.sample_with_candidates`).
            blocks: See `Judge.label`.
        """
        requests = [
            self._judge.request(query, candidates, texts)
            for (query, candidates), texts in zip(proposed, own_negatives, strict=True)
        ]
        return rewards_of(self._judge.label(requests, [query for query, _ in proposed], blocks), self._settings.reward)

    def tokens(self, query: Query, texts: Sequence[str]) -> int:
        """How long the prompts of a query with each of some keys are, in tokens of four characters.

        A number that depends on no store, batch or number of processes.
        """
        return round(sum(len(self._judge.prompt.render(query.text, [text])) for text in texts) / CHARACTERS_A_TOKEN)

    @property
    def tokens_run(self) -> int:
        """Tokens that the LLM has run so far."""
        return self._judge.tokens_run

    def release(self) -> None:
        """Give back the memory of the LLM until it is asked again."""
        release(self._settings.language_model)


@dataclass(frozen=True)
class RecordJudges:
    """Opens what judges new candidates of the data sets of a run; all of them share the LLM and its stores.

    Args:
        preparation: How the data sets were prepared.
        tasks: Of the run.
    """

    preparation: Preparation
    tasks: Mapping[str, Task]
    _opened: "WeakValueDictionary[str, CachedLanguageModel]" = field(
        default_factory=WeakValueDictionary, init=False, repr=False
    )
    """Of the judges that are in use."""

    def __call__(self, dataset: PreparedDataset) -> RecordJudge:
        """What judges those of a prepared data set; the weights of the LLM are loaded when it is asked."""
        source = next(
            source
            for task, source in self.preparation.datasets(self.tasks)
            if (task.name, source.name) == (dataset.task, dataset.name)
        )
        task = self.tasks[dataset.task]
        judge = self.preparation.judge(self.preparation.job(task, source), self._language_model)
        if judge is None:
            raise ValueError(f"no LLM judges {task.name}/{source.name}")
        return RecordJudge(judge, self.preparation.rewards.of_task(task), task.labelling.min_reward_gap)

    @property
    def _language_model(self) -> CachedLanguageModel:
        opened = self._opened.get("") or self.preparation.rewards.stored_language_model()
        self._opened[""] = opened
        return opened

    def __reduce__(self) -> tuple[type["RecordJudges"], tuple[Preparation, Mapping[str, Task]]]:
        return RecordJudges, (replace(self.preparation), self.tasks)  # a copy has opened nothing


def check_rejudged(rewards: Rewards, tasks: Sequence[Task]) -> None:
    """Refuse settings under which new candidates could not be judged as those of the records were.

    Args:
        rewards: How candidates are judged.
        tasks: Those that get new candidates.
    """
    judged = any(task.objective.needs_rewards for task in tasks)
    if judged and rewards.early_stop is not None and rewards.sample_with_candidates:
        expected = "0 with early stop and callbacks.reindex, since records lack the candidates that were not judged"
        raise ConfigError("prepare.rewards.sample_with_candidates", expected, rewards.sample_with_candidates)
