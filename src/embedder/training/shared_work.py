"""What the processes of a run do together between two steps."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist

from embedder.training.gather import TOGETHER, Share, gather_shares, is_distributed, sum_over_processes, world_size

Number = TypeVar("Number", bound=np.generic)
_PATIENCE = timedelta(days=30)


@dataclass(frozen=True)
class SharedWork:
    """This process among those of the run; without a process group the only one.

    Args:
        rank: Its number.
        device: Where tensors of all processes can be gathered.
    """

    rank: int = 0
    device: torch.device = torch.device("cpu")  # noqa: RUF009  # frozen

    def share(self, n: int) -> range:
        """Which of `n` records are the process's: whole blocks of those that the LLM judges in one call.

        Of fewer blocks than processes, every process takes all.
        """
        blocks = Share(self.rank, world_size())(_blocks(n))
        return range(blocks.start * TOGETHER, min(blocks.stop * TOGETHER, n))

    def wait(self) -> None:
        """Until all processes are here, however long that takes; where one has ended, this raises at once.

        A collective of the run's own group gives up after half an hour (NCCL aborts the run), and shares of the LLM's
        work may differ by more.
        """
        if is_distributed():
            dist.barrier(group=_patient(dist.group.WORLD))

    def gather(self, own: npt.NDArray[Number], n: int) -> npt.NDArray[Number]:
        """Rows of all processes, each of which has its share of `n`."""
        filled = np.pad(own, ((0, -len(own) % TOGETHER), *((0, 0) for _ in own.shape[1:])))
        rows = torch.from_numpy(filled.reshape(-1, TOGETHER, *own.shape[1:])).to(self.device)
        gathered: npt.NDArray[Number] = gather_shares(rows, _blocks(n)).cpu().numpy()
        return gathered.reshape(-1, *own.shape[1:])[:n]

    def total(self, own: int, n: int) -> int:
        """The sum over all processes of what each counted in its share of `n`."""
        if _blocks(n) < world_size():  # each has counted all
            return own
        return int(sum_over_processes(torch.tensor(own, device=self.device)))


@cache
def _patient(_: Any) -> Any:
    """A group of all processes of the run's group, once for each; gloo sees at once that a process has ended."""
    return dist.new_group(backend="gloo", timeout=_PATIENCE)


def _blocks(n: int) -> int:
    return -(-n // TOGETHER)
