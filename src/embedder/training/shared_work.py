"""What the processes of a run do together between two steps."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist

from embedder.processes import ALONE, TOGETHER, Processes
from embedder.training.gather import sum_over_processes
from embedder.waiting import Waiting

Number = TypeVar("Number", bound=np.generic)
_PATIENCE = timedelta(days=30)


@dataclass(frozen=True)
class SharedWork:
    """This process among those of the run; without a process group the only one.

    Args:
        processes: Those of the run.
        device: Where tensors of all processes can be gathered.
    """

    processes: Processes = ALONE
    device: torch.device = torch.device("cpu")  # noqa: RUF009  # frozen

    def share(self, n: int) -> range:
        """Which of `n` records are the process's: whole blocks of those that the LLM judges in one call."""
        return self.processes.share(n, TOGETHER)

    def wait(self) -> None:
        """Until all processes are here, however long that takes; where one has ended, this raises at once.

        A collective of the run's own group gives up after half an hour (NCCL aborts the run), and shares of the LLM's
        work may differ by more.
        """
        if Processes.here().size > 1:
            waiting, barrier = Waiting(), dist.barrier(group=_patient(dist.group.WORLD), async_op=True)
            while not barrier.is_completed():
                waiting.pause(lambda: "other processes of the run, which are not done with their share of a refresh")
            barrier.wait()

    def gather(self, own: npt.NDArray[Number], n: int) -> npt.NDArray[Number]:
        """Rows of all processes, each of which has its share of `n`."""
        if self.processes.size == 1:
            return own
        shares = [replace(self, processes=replace(self.processes, rank=r)).share(n) for r in range(self.processes.size)]
        longest = max(map(len, shares))
        filled = np.pad(own, ((0, longest - len(own)), *((0, 0) for _ in own.shape[1:])))
        sent = torch.from_numpy(filled).to(self.device)
        gathered = sent.new_empty((len(shares) * longest, *own.shape[1:]))
        dist.all_gather_into_tensor(gathered, sent)
        rows: npt.NDArray[Number] = gathered.cpu().numpy()
        return np.concatenate([rows[rank * longest :][: len(share)] for rank, share in enumerate(shares)])

    def total(self, own: int) -> int:
        """The sum over all processes of what each counted in its share."""
        return int(sum_over_processes(torch.tensor(own, device=self.device)))


@cache
def _patient(_: Any) -> Any:
    """A group of all processes of the run's group, once for each; gloo sees at once that a process has ended."""
    return dist.new_group(backend="gloo", timeout=_PATIENCE)
