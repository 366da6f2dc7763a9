"""The bundled world as a source of data sets: written on first use, then read as any data sets by id."""

import logging
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from embedder.data.forms.form import Form
from embedder.data.sources import CorpusSource, Dataset
from embedder.identity import identity
from embedder.world.settings import WorldSettings
from embedder.world.write import write_world

logger = logging.getLogger(__name__)

_WORLD_FORMAT = 4  # raised when the generator changes, so that an older world is never taken for a new one


@dataclass(frozen=True)
class WorldSource:
    """The bundled world: a seeded fictional encyclopedia, written on first use.

    Args:
        directory: Where worlds are kept; each is a folder named by its settings.
        settings: Size and seed.
        converted_dir: Where data sets of another form are kept by id.
    """

    directory: str
    settings: WorldSettings
    converted_dir: str

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """The world's data set of a task."""
        root = Path(self.directory) / identity(format=_WORLD_FORMAT, settings=self.settings)[:12]
        _tell_once()
        write_world(self.settings, root)
        world = CorpusSource(str(root), self.converted_dir).datasets(task, form)
        return [replace(dataset, name="world") for dataset in world]


@cache
def _tell_once() -> None:
    """What is read where nobody has named data; once in a process, although data sets are looked up several times."""
    yours = "source=corpus source.path=DIR reads your data sets, source=folder source.path=DIR your documents"
    logger.info("source=world: the data is the bundled world, which is generated; %s", yours)
