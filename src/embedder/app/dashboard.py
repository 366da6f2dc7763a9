"""Layouts of a Weights & Biases project, for what lies in the output folder: saved there, or written as JSON."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedder.checks import checked
from embedder.entry.sweep import jobs_of
from embedder.entry.sweep_job import SWEEP, about_sweep, differing, key
from embedder.errors import ConfigError
from embedder.files import write_atomically
from embedder.report.wandb_dashboard import as_json, evaluation_layout, sweep_layout, training_layout

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

logger = logging.getLogger(__name__)

_MARKS = {"training": "csv/metrics.csv", "evaluation": "scores.json", "sweep": SWEEP}
"""Which file a folder of each kind has."""


@checked("dashboard")
@dataclass(frozen=True)
class DashboardRun:
    """What `evaluate.py action=dashboard` does.

    Args:
        training: Folder of a training run; None for the newest below `outputs`.
        evaluation: The same of an evaluation.
        sweep: The same of a sweep.
        outputs: Where the newest are looked for.
        entity: User or team that the layouts are saved for, which needs an account; None writes them as JSON.
        project: Of Weights & Biases.
        output_dir: Where the JSON goes.
    """

    training: str | None
    evaluation: str | None
    sweep: str | None
    outputs: str
    entity: str | None
    project: str
    output_dir: str

    def __post_init__(self) -> None:
        if not self.project:
            raise ConfigError("dashboard.project", "the name of a project", self.project)
        for name, mark in _MARKS.items():
            folder = getattr(self, name)
            if folder is not None and not (Path(folder) / mark).is_file():
                raise ConfigError(f"dashboard.{name}", f"a folder with {mark} in it", folder)

    def run(self) -> None:
        """Make a layout for each kind that there is something of."""
        made = dict(self._layouts())
        if not made:
            expected = f"a folder in which a training, an evaluation or a sweep is ({', '.join(_MARKS.values())})"
            raise ConfigError("dashboard.outputs", expected, self.outputs)
        for name, layout in made.items():
            if self.entity is not None:
                layout.save()  # type: ignore[no-untyped-call]
                logger.info("dashboard of %s: %s", name, layout.url)
                continue
            path = Path(self.output_dir) / f"dashboard.{name}.json"
            write_atomically(path, as_json(layout))
            logger.info("dashboard of %s, as JSON (dashboard.entity=NAME saves it): %s", name, path)

    def _layouts(self) -> Iterator[tuple[str, "Workspace"]]:
        # The name of a user is a part of an address alone, so any will do for a layout that stays here.
        entity = self.entity or "nobody"
        for name in _MARKS:
            if (folder := self._folder(name)) is None:
                logger.info("no %s in %s: no dashboard of one", name, self.outputs)
                continue
            logger.info("%s: %s", name, folder)
            if name == "training":
                yield name, training_layout(folder, entity, self.project)
            elif name == "evaluation":
                yield name, evaluation_layout(folder, entity, self.project)
            else:
                about = about_sweep(folder)
                names = [one for one in differing(jobs_of(folder)) if one in about["searched"]] or about["searched"]
                metric = f"{'-' if about['worth'] < 0 else ''}best/{about['metric']}"
                yield name, sweep_layout(folder.absolute().name, [*map(key, names)], metric, entity, self.project)

    def _folder(self, name: str) -> Path | None:
        given, mark = getattr(self, name), _MARKS[name]
        if given is not None:
            return Path(given)
        found = sorted(Path(self.outputs).rglob(mark), key=lambda path: path.stat().st_mtime)
        return found[-1].parents[mark.count("/")] if found else None
