"""The folder of a run: one run at a time writes into it, and what is refused leaves the settings that it has."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from embedder.entry.faults import end
from embedder.errors import DataError
from embedder.files import whole_file
from embedder.locks import locked

_SETTINGS: dict[Path, bytes] = {}
"""What lay in `.hydra` of the folder of this run before Hydra wrote the settings of this run there."""


class HoldRunFolder(Callback):
    """What Hydra calls before it writes anything into the folder of a run or of a sweep."""

    def __init__(self) -> None:
        self._held = ExitStack()

    def __reduce__(self) -> tuple[type["HoldRunFolder"], tuple[()]]:
        return HoldRunFolder, ()  # launchers send it to the processes of jobs; the folder stays with the sweep

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hold the folder, and note the settings in it."""
        folder = self._hold(config, "run")
        if is_first_process():  # another one may find what this run has written
            _SETTINGS.update({path: path.read_bytes() for path in (folder / ".hydra").glob("*.yaml")})

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hold the folder of a sweep; each of its jobs has one of its own in it."""
        self._hold(config, "sweep")

    def on_run_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Let go."""
        self._held.close()

    on_multirun_end = on_run_end

    def _hold(self, config: DictConfig, kind: str) -> Path:
        """Only for runs that write there: the parts of a preparation may well start in the same second."""
        _SETTINGS.clear()
        HydraConfig.instance().set_config(config)  # of which the folder has its name
        folder = Path(config.hydra[kind].dir)
        if is_first_process() and "output_dir" in config.run:
            try:
                self._held.enter_context(locked(folder, f"hydra.{kind}.dir"))
            except DataError as error:
                end(str(error), 2)
        return folder


def put_back_settings() -> None:
    """Give `.hydra` the files that it had before this run: each later resume would take the refused ones."""
    for path, content in _SETTINGS.items():
        if path.read_bytes() != content:
            with whole_file(path) as file:
                file.write(content)


def is_first_process() -> bool:
    """Whether this is the first of the processes that train together, by what torchrun, Lightning or srun has set.

    A process that Lightning started in a shell of SLURM has the shell's SLURM_PROCID, so its own LOCAL_RANK counts.
    """
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
    return next((os.environ[name] for name in names if name in os.environ), "0") == "0"
