"""The loader of a batch plan: it may begin at any step, and a batch has the negatives of the moment it is asked for."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Sampler

from embedder.errors import ConfigError
from embedder.training.collate import Batch
from embedder.training.steps import StepBatches


class PlanLoader(DataLoader[Batch]):
    """A loader that Lightning may resume in the middle, without a warning.

    It keeps nothing of its own: the trainer's count of batches says where to resume.
    """

    def __iter__(self) -> Any:
        """Batches in order."""
        if not isinstance(self.sampler, StepSampler):
            return super().__iter__()
        self.sampler.begin()
        return self._batches(self.sampler)

    def _batches(self, sampler: "StepSampler") -> Iterator[Batch]:
        """Workers make batches ahead: once there are other negatives they are started again, at the next step."""
        dataset: StepBatches = self.dataset  # type: ignore[assignment]  # what a plan is loaded from
        step = sampler.start
        while step < sampler.n_steps:
            steps, negatives = range(step, sampler.n_steps), dataset.negatives
            for batch in DataLoader(dataset, batch_size=None, sampler=steps, num_workers=self.num_workers):
                yield batch
                step += 1
                if dataset.negatives != negatives:
                    break

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to do."""


class StepSampler(Sampler[int]):
    """Steps from `start` on. Its length counts those already done too, as Lightning does after a resume."""

    def __init__(self, n_steps: int, start: int) -> None:
        self.n_steps, self.start = n_steps, start
        self._begun = False

    def begin(self) -> None:
        """Refuse a second epoch: it would train on the steps of the first one again."""
        if self._begun:
            expected = "settings and callbacks under which all steps are one epoch, since the batch plan has no epochs"
            raise ConfigError("trainer", expected, "a second epoch")
        self._begun = True

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.n_steps))

    def __len__(self) -> int:
        return self.n_steps
