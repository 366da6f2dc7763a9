"""When new hard negatives are found, and for which tasks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import lightning as L
from lightning.pytorch.callbacks import WeightAveraging

from embedder.bounds import PositiveFloat, PositiveInt
from embedder.callbacks.of_trainer import callbacks_of
from embedder.candidates.candidates import Candidates
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.training.task import Task


@checked("callbacks.reindex")
@dataclass(frozen=True)
class ReindexSettings:
    """When and how new negatives are found; off while both intervals are null.

    Args:
        every_n_steps: Optimizer steps between two times.
        every_n_epochs: The same in epochs; an epoch has as many steps as it takes to see as many records as there are.
        tasks: Which tasks; null for all.
        candidates: How negatives are proposed. Gold keys count among its `n`.
        llm_tokens: How many tokens the prompts with new candidates may have at one time, for each data set of a task
            that distils rewards.
        mode: `sync` between two steps, or `async` in a process of its own, while training goes on.
        device: Where this process encodes; None for the first GPU if there is one.
    """

    candidates: Candidates
    every_n_steps: PositiveInt | None = None
    every_n_epochs: PositiveFloat | None = None
    tasks: tuple[str, ...] | None = None
    llm_tokens: PositiveInt | None = None
    mode: Literal["sync", "async"] = "sync"
    device: str | None = None

    def __post_init__(self) -> None:
        where = "callbacks.reindex"
        if self.tasks is not None:
            object.__setattr__(self, "tasks", tuple(self.tasks))  # Hydra hands over a list
        if self.every_n_steps is not None and self.every_n_epochs is not None:
            raise ConfigError(f"{where}.every_n_epochs", "null, since every_n_steps is set", self.every_n_epochs)
        if self.device is not None and self.mode == "sync":
            raise ConfigError(f"{where}.device", "null, since mode=sync encodes where training does", self.device)
        if self.candidates.sources != ("dense",):
            raise ConfigError(f"{where}.candidates.sources", "[dense], the encoder", list(self.candidates.sources))

    @property
    def is_on(self) -> bool:
        """Whether anything is to be done."""
        return self.every_n_steps is not None or self.every_n_epochs is not None

    @property
    def off(self) -> "ReindexSettings":
        """The same, but nothing is to be done."""
        return replace(self, every_n_steps=None, every_n_epochs=None)

    def check(self, tasks: Mapping[str, Task], trainer: L.Trainer) -> list[str]:
        """Refuse what could never be read, as far as it shows without the data.

        Args:
            tasks: The mix.
            trainer: Of the run.

        Returns:
            The tasks that get new negatives.
        """
        if callbacks_of(trainer, WeightAveraging):
            expected = (
                "null with WeightAveraging: a validation has other weights than the steps, but one set of vectors"
            )
            raise ConfigError("callbacks.reindex.every_n_steps", expected, self.every_n_steps or self.every_n_epochs)
        for name in self.tasks or ():
            if name not in tasks:
                raise ConfigError("callbacks.reindex.tasks", f"tasks of the mix ({', '.join(sorted(tasks))})", name)
        chosen = list(tasks if self.tasks is None else self.tasks)
        if self.every_n_steps is not None:
            check_interval(self, self.every_n_steps, trainer.max_steps)
        for name in chosen:
            sampling = tasks[name].sampling
            if sampling.group_size == sampling.positives:
                expected = f"more than {sampling.positives} (positives): a group without negatives reads no new ones"
                raise ConfigError(f"tasks.{name}.sampling.group_size", expected, sampling.group_size)
        return chosen


def check_interval(settings: ReindexSettings, steps: int, max_steps: int) -> None:
    """Refuse an interval after which no step is left to see the new negatives.

    That of epochs is known once the records are there, so it is checked after preparation, before the first validation.
    """
    if steps >= max_steps:
        in_steps = f"fewer steps than trainer.max_steps ({max_steps})"
        if settings.every_n_epochs is not None:
            in_steps += f", where this many epochs of the records take {steps}"
        setting = "steps" if settings.every_n_epochs is None else "epochs"
        expected = f"{in_steps}: no step would see the new negatives"
        raise ConfigError(f"callbacks.reindex.every_n_{setting}", expected, settings.every_n_epochs or steps)
