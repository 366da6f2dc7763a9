"""The loader of a batch plan: it may begin at any step, and makes no batch before its negatives exist."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Sampler

from embedder.errors import ConfigError
from embedder.training.collate import Batch


class PlanLoader(DataLoader[Batch]):
    """A loader that Lightning may resume in the middle, without a warning.

    It keeps nothing of its own: the trainer's count of batches says where to resume.
    """

    def __iter__(self) -> Any:
        """Batches in order.

        Workers make batches ahead, so they are started again for each range of steps that has the same negatives: none
        of them makes a batch of the next range too early.
        """
        if not isinstance(self.sampler, StepSampler):
            return super().__iter__()
        self.sampler.begin()
        return (
            batch
            for steps in self.sampler.stretches()
            for batch in DataLoader(self.dataset, batch_size=None, sampler=steps, num_workers=self.num_workers)
        )

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to do."""


class StepSampler(Sampler[int]):
    """Steps from `start` on. Its length counts those already done too, as Lightning does after a resume."""

    def __init__(self, n_steps: int, start: int, stretch: int | None = None) -> None:
        self._n_steps, self._start, self._stretch = n_steps, start, stretch or max(n_steps, 1)
        self._begun = False

    def begin(self) -> None:
        """Refuse a second epoch: it would train on the steps of the first one again."""
        if self._begun:
            expected = "settings and callbacks under which all steps are one epoch, since the batch plan has no epochs"
            raise ConfigError("trainer", expected, "a second epoch")
        self._begun = True

    def stretches(self) -> Iterator[range]:
        """The steps, in ranges that end at the multiples of `stretch`."""
        start = self._start
        while start < self._n_steps:
            stop = min(self._n_steps, start - start % self._stretch + self._stretch)
            yield range(start, stop)
            start = stop

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._start, self._n_steps))

    def __len__(self) -> int:
        return self._n_steps
