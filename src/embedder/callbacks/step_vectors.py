"""Where the vectors of corpora lie that are encoded between two steps, and which of them outlive the step."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L

from embedder.callbacks.of_trainer import callbacks_of
from embedder.errors import ConfigError
from embedder.processes import Processes
from embedder.vectors.settings import VectorSettings


class StepVectors(L.Callback):
    """Keeps the vectors of one step in the folder of the run, and removes them when another step replaces them.

    All processes encode, and read what the others have encoded. Where training leaves the keys as they are, their
    vectors lie where evaluations keep theirs, so that each finds what the other has encoded.

    Args:
        folder: For the vectors of a step; it is removed in the end.
        settings: Where vectors of keys lie that no step changes, and the form of all vectors; None for the usual form.
        keys: See `made_by_keys`; None where steps change the keys.
    """

    def __init__(
        self, folder: Path, settings: VectorSettings | None = None, keys: dict[str, Any] | None = None
    ) -> None:
        self._folder, self._settings, self._keys = folder, settings, keys

    @classmethod
    def of(cls, trainer: L.Trainer) -> "StepVectors":
        """The trainer's, which gets one over a temporary folder if it has none; all processes call this together."""
        own = callbacks_of(trainer, cls)
        if not own:
            folder = tempfile.mkdtemp(prefix="embedder-vectors-") if trainer.is_global_zero else ""
            own = [cls(Path(trainer.strategy.broadcast(folder)))]
            trainer.callbacks += own  # type: ignore[attr-defined]  # Lightning's own attribute
        return own[0]

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Remove what a killed run has left, and see that all machines have the folder."""
        self._folder = Path(trainer.strategy.broadcast(str(self._folder)))

        def make() -> None:
            if trainer.is_global_zero:
                self._remove()
                self._folder.mkdir(parents=True)

        Processes.here().all_do(make)
        if not self._folder.is_dir():
            expected = "a folder that all machines of the run share, since each reads what the others have encoded"
            raise ConfigError("hydra.run.dir", expected, str(self._folder.parent))

    def at(self, trainer: L.Trainer, apart: Path | None = None) -> tuple[dict[str, Any], VectorSettings]:
        """What the vectors of this moment depend on, and where they lie; those of other steps are removed.

        Args:
            trainer: Knows the step.
            apart: Where those lie that are encoded with a snapshot of the weights while further steps are done.
        """
        settings = self._settings or VectorSettings("")
        if self._keys is not None:
            return self._keys, settings
        made_by = {"step": trainer.global_step, "precision": str(trainer.precision)}
        if apart is not None:
            return made_by, replace(settings, directory=str(apart), encode=True)
        folder = self._folder / f"step-{trainer.global_step}"
        for other in set(self._folder.glob("step-*")) - {folder}:
            shutil.rmtree(other, ignore_errors=True)  # perhaps another process is removing it too
        return made_by, replace(settings, directory=str(folder), encode=True)

    @property
    def outlive_the_step(self) -> bool:
        """Whether other runs find the vectors again."""
        return self._keys is not None

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Remove the vectors of the last step."""
        if trainer.is_global_zero:
            self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
