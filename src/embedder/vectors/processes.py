"""The processes that encode a corpus together: who encodes what, and how an error of one ends all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch.distributed as dist

from embedder.errors import EmbedderError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes of a run, and which of them this is.

    Args:
        rank: Of this process, from 0.
        size: How many there are.
        in_step: Whether all have to encode the same texts at the same time, since each has a part of the weights.
    """

    rank: int = 0
    size: int = 1
    in_step: bool = False

    @classmethod
    def here(cls, *, in_step: bool = False) -> "Processes":
        """Those of torch's process group, if there is one."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size(), in_step)

    @property
    def is_first(self) -> bool:
        """Whether this one writes what is written once."""
        return self.rank == 0

    def share(self, numbers: Sequence[int]) -> Sequence[int]:
        """What this process does: every `size`-th number, or all of them in step.

        >>> list(Processes(1, 3).share(range(8)))
        [1, 4, 7]
        """
        return numbers if self.in_step else numbers[self.rank :: self.size]

    def together(self, work: Callable[[], T]) -> list[T]:
        """What the work of each process gave, in the order of their ranks; no process is past it before all are done.

        Raises:
            EmbedderError: The work of another process failed; what failed here is raised as it is.
        """
        if self.size == 1:
            return [work()]
        failure: Exception | None = None
        result: T | None = None
        try:
            result = work()
        except Exception as error:
            failure = error
        outcomes: list[tuple[T, str | None]] = [None] * self.size  # type: ignore[list-item]  # filled by torch
        dist.all_gather_object(outcomes, (result, None if failure is None else str(failure)))
        if failure is not None:
            raise failure
        for rank, (_, message) in enumerate(outcomes):
            if message is not None:
                raise EmbedderError(f"process {rank}: {message}")
        return [outcome for outcome, _ in outcomes]


ALONE = Processes()
"""One process."""
