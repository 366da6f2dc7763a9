"""Hold the number of processes that the trainer counts on against the process group, and close the group in the end."""

import atexit

import lightning as L
import torch.distributed as dist

from embedder.errors import ConfigError


class ProcessGroupGuard(L.Callback):
    """Stops a run whose processes do not train together, and lets those that do end in peace.

    In a sweep, `strategy=ddp` has been seen to report two processes over a group of one: half of the data would be
    trained on, without an error. A group that is still open when the interpreter ends may abort it.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Compare, and register the closing once a process."""
        found = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        if found != trainer.world_size:
            raise ConfigError(
                "trainer.strategy",
                f"a process group of {trainer.world_size} processes (trainer.devices x num_nodes); in a sweep, "
                "ddp_spawn",
                f"a group of {found}",
            )
        if found > 1:
            atexit.unregister(_close)
            atexit.register(_close)


def _close() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
