"""The processes that torchrun or srun has started: which one this is."""

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from embedder.engines.watch import Ranks


def launched_ranks() -> Ranks | None:
    """What torchrun or srun has set, as Lightning reads it; None for a process that neither has started."""
    launchers: list[type[ClusterEnvironment]] = [TorchElasticEnvironment, SLURMEnvironment]
    environment = next((launcher() for launcher in launchers if launcher.detect()), None)
    if environment is None or environment.world_size() == 1:
        return None
    # Lightning's own group, for training, listens at the port itself, perhaps before this one has closed.
    port = environment.main_port + (1 if isinstance(environment, SLURMEnvironment) else 0)
    numbers = environment.global_rank(), environment.world_size(), environment.local_rank()
    return Ranks(*numbers, environment.main_address, port)
