"""Who started this process: torchrun, srun, or neither."""

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment


def launcher() -> ClusterEnvironment | None:
    """What torchrun or srun has set, as Lightning reads it, which tells training the same; None without them."""
    launchers: list[type[ClusterEnvironment]] = [TorchElasticEnvironment, SLURMEnvironment]
    return next((launcher() for launcher in launchers if launcher.detect()), None)


def n_launched() -> int:
    """How many processes torchrun or srun has started for this run; 1 without them."""
    environment = launcher()
    return 1 if environment is None else environment.world_size()
