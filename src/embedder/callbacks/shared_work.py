"""What the processes of a run do together between two steps."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from embedder.training.gather import Share, gather_shares, sum_over_processes, world_size

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

    @property
    def share(self) -> Share:
        """The process's part of a work."""
        return Share(self.rank, world_size())

    def gather(self, own: npt.NDArray[Number], n: int) -> npt.NDArray[Number]:
        """Rows of all processes, each of which has its share of `n`."""
        gathered: npt.NDArray[Number] = gather_shares(torch.from_numpy(own).to(self.device), n).cpu().numpy()
        return gathered

    def total(self, own: int, n: int) -> int:
        """The sum over all processes of what each counted in its share of `n`."""
        if n < world_size():  # each has counted all
            return own
        return int(sum_over_processes(torch.tensor(own, device=self.device)))
