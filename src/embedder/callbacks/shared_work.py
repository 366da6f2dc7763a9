"""What the processes of a run do together between two steps."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from embedder.training.gather import TOGETHER, Share, gather_shares, sum_over_processes, world_size

Number = TypeVar("Number", bound=np.generic)


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


def _blocks(n: int) -> int:
    return -(-n // TOGETHER)
