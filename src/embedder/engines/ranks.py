"""The processes that torchrun or srun has started: which one this is."""

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

from embedder.engines.watch import Ranks
from embedder.launched import launcher


def launched_ranks() -> Ranks | None:
    """This process among those that torchrun or srun has started; None where it is the only one."""
    environment = launcher()
    if environment is None or environment.world_size() == 1:
        return None
    # Lightning's own group, for training, listens at the port itself, perhaps before this one has closed.
    port = environment.main_port + (1 if isinstance(environment, SLURMEnvironment) else 0)
    numbers = environment.global_rank(), environment.world_size(), environment.local_rank()
    return Ranks(*numbers, environment.main_address, port)
