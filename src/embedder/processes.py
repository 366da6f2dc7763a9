"""The processes that share a piece of work: which part of it each takes, and how an error of one ends all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch.distributed as dist

from embedder.errors import EmbedderError

T = TypeVar("T")

TOGETHER = 16
"""Queries that a local LLM judges in one call. What is in a batch changes the last bits of its numbers, so the calls
are the same ones whichever process makes them."""


@dataclass(frozen=True)
class Processes:
    """The processes that share some work, and which of them this is.

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

    def share(self, n: int, block: int = 1) -> range:
        """Which of `n` things this process takes: a run of neighbours, as long as the others' or one block shorter.

        In step each takes all.

        Args:
            n: How many things there are. Of fewer blocks than processes, the last processes get none.
            block: How many neighbours are not divided.

        >>> [list(Processes(rank, 3).share(8)) for rank in range(3)]
        [[0, 1, 2], [3, 4, 5], [6, 7]]
        >>> [Processes(rank, 3).share(35, block=16) for rank in range(3)]
        [range(0, 16), range(16, 32), range(32, 35)]
        """
        if self.in_step:
            return range(n)
        each, longer = divmod(-(-n // block), self.size)
        first = self.rank * each + min(self.rank, longer)
        return range(min(n, first * block), min(n, (first + each + (self.rank < longer)) * block))

    def all_do(self, work: Callable[[], T]) -> list[T]:
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

    def __str__(self) -> str:
        return f"{self.rank + 1}/{self.size}"


ALONE = Processes()
"""One process."""
