"""A sweep logs which settings it searches when it begins, and all of its jobs when it ends, best first."""

import atexit
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from embedder.digests import expecting_own
from embedder.entry.sweep_job import JOB, SWEEP, Job, about_sweep, differing, same_as_another, searched_names, worth
from embedder.errors import ConfigError, EmbedderError
from embedder.files import write_atomically
from embedder.shown import shown

logger = logging.getLogger(__name__)


class SweepCallback(Callback):
    """What Hydra calls at both ends of `python train.py -m ...`, in the process that was started."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Name what is searched, in `sweep.json` in the folder of the sweep."""
        self._folder = Path(config.hydra.sweep.dir)
        params = OmegaConf.select(config, "hydra.sweeper.params") or {}
        about = {
            "metric": OmegaConf.select(config, "optimise"),
            "worth": worth(config),
            "searched": searched_names(list(config.hydra.overrides.task), {k: str(v) for k, v in params.items()}),
        }
        write_atomically(self._folder / SWEEP, json.dumps(about, indent=1))
        atexit.register(self._show)  # whatever ends the sweep

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Show the jobs; a failed one makes the exit status 1."""
        atexit.unregister(self._show)
        if any(job["state"] != "done" for job in self._show()):
            sys.exit(1)

    def _show(self) -> list[Job]:
        if jobs := jobs_of(self._folder):
            text = table(jobs, about_sweep(self._folder)) + _over_seeds(self._folder, jobs)
            write_atomically(self._folder / "sweep.md", text)
            logger.info("%s\n%s", self._folder / "sweep.md", text)
        return jobs


def jobs_of(folder: Path) -> list[Job]:
    """The jobs of a sweep, best first, then those without a value.

    Raises:
        ConfigError: The folder is not one of a sweep.
        DataError: A file of it is damaged.
    """
    if not (folder / SWEEP).is_file():
        raise ConfigError("the folder of a sweep", f"one with {SWEEP} in it", str(folder))
    larger, jobs = about_sweep(folder)["worth"], []
    for path in sorted(folder.glob(f"*/{JOB}")):
        with expecting_own(path):
            job = json.loads(path.read_text(encoding="utf-8"))
            job |= {"state": job["state"], "value": job["value"], "settings": dict(job["settings"])}
        jobs.append({**job, "folder": path.parent.name})
    jobs.sort(key=lambda job: int(job["folder"]) if job["folder"].isdecimal() else 0)
    return sorted(jobs, key=lambda job: (job["value"] is None, -larger * (job["value"] or 0.0)))


def _over_seeds(folder: Path, jobs: Sequence[Job]) -> str:
    """Where jobs were evaluated and there are several seeds: each group of them against the first."""
    from embedder.entry.sweep_groups import compare_jobs, groups_of
    from embedder.results.seeds_text import render_groups

    if (groups := groups_of(folder, jobs)) is None:
        return ""
    try:
        return "\n" + render_groups(compare_jobs(groups), groups.first, groups.left_out)
    except EmbedderError as error:
        return f"\nThe seeds are not compared: {shown(str(error), 400)}\n"


def table(jobs: Sequence[Job], about: Mapping[str, Any]) -> str:
    """All jobs as a table in Markdown: what they differ in, what came out, where it lies."""
    from embedder.results.plain_text import markdown_line
    from embedder.results.table import align

    names = differing(jobs) or list(about["searched"])
    lines = [[*names, about["metric"] or "state", "folder"]]
    for job in jobs:
        result = job["state"] if job["value"] is None else f"{job['value']:.4f}"
        settings = (shown(job["settings"].get(name, ""), 60) for name in names)
        lines.append([*settings, result, job["folder"]])
    reasons = [f"- {job['folder']}: {markdown_line(job['reason'], 200)}" for job in jobs if "reason" in job]
    reasons += [f"- {job['folder']} {same_as_another(job['same_as'])}" for job in jobs if "same_as" in job]
    return "\n".join([align(lines), "", *reasons, ""] if reasons else [align(lines), ""])
