"""Label on this machine, in several processes, or in those that torchrun or srun has started."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.engines.processes import label_in_processes, take_gpu
from embedder.engines.ranks import launched_ranks
from embedder.engines.watch import together
from embedder.errors import ConfigError
from embedder.identity import identity
from embedder.locks import in_turn
from embedder.preparation.labelling import Labelling
from embedder.processes import Processes
from embedder.types import LanguageModel


@checked("engine")
@dataclass(frozen=True)
class LocalEngine:
    """Label in several processes, each with the LLM on a device of its own.

    Under torchrun and srun these are the processes that they have started, on one machine or on many with a common
    store; otherwise this machine starts them.

    Args:
        processes: How many this machine starts; None for one on each device of the training run, or on each GPU.
    """

    processes: PositiveInt | None = None

    def label(self, labelling: Labelling, devices: Sequence[int]) -> None:
        """See `Engine`."""
        language_model = labelling.preparation.rewards.language_model
        if (ranks := launched_ranks()) is not None:
            _check_device(language_model)
            take_gpu(ranks.local_rank)
            with together(ranks):
                labelling.part(Processes(ranks.rank, ranks.size))
            return
        chosen = self._devices(language_model, devices)
        if len(chosen) == 1:
            return
        _check_device(language_model)
        preparation = labelling.preparation
        with in_turn(Path(preparation.directory) / f".{identity(names=labelling.names)[:10]}.labelling.lock"):
            label_in_processes(labelling, chosen)

    def _devices(self, language_model: LanguageModel, devices: Sequence[int]) -> Sequence[int]:
        if self.processes is not None:
            return range(self.processes)
        if getattr(language_model, "device", None) != "auto":  # one device by name, or behind a server
            return range(1)
        return devices or range(max(1, torch.cuda.device_count()))


def _check_device(language_model: LanguageModel) -> None:
    """Refuse a device by its number, which all processes would share."""
    device = str(getattr(language_model, "device", "auto"))
    if ":" in device:
        raise ConfigError("llm.device", "auto, since each of several labelling processes has a GPU of its own", device)
