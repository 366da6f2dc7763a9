"""Compare the number of processes of the trainer with that of the process group, and close the group in the end."""

import atexit

import lightning as L
import torch.distributed as dist
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from embedder.errors import ConfigError
from embedder.processes import Processes


class ProcessGroupGuard(L.Callback):
    """Stops a run whose processes do not train together, and lets those that do end in peace.

    In a sweep, `strategy=ddp` has been seen to report two processes over a group of one: half of the data would be
    trained on, without an error. A group that is still open when the interpreter ends may abort it.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Compare, and register the closing once a process."""
        n_joined = Processes.here().size
        if n_joined != trainer.world_size:
            raise ConfigError(
                "trainer.strategy",
                f"a process group of {trainer.world_size} processes (trainer.devices x num_nodes); in a sweep, "
                "ddp_spawn",
                f"a group of {n_joined}",
            )
        if n_joined > 1:
            atexit.unregister(_close)
            atexit.register(_close)


def check_in_sweep(trainer: L.Trainer) -> None:
    """Refuse a strategy that starts the command again for each further process: it would start the sweep again.

    Raises:
        ConfigError: The strategy does that, as `ddp` and FSDP2 do outside of SLURM and torchrun.
    """
    if trainer.world_size > 1 and isinstance(trainer.strategy.launcher, _SubprocessScriptLauncher):
        expected = "ddp_spawn, since in a sweep (-m) other processes would start the whole sweep again"
        raise ConfigError("trainer.strategy", expected, type(trainer.strategy).__name__)


def _close() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
