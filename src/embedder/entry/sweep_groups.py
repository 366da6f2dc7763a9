"""The evaluations of a sweep over seeds: which jobs differ in their seed alone, and how groups of them compare."""

from collections.abc import Sequence
from pathlib import Path

from embedder.entry.sweep_job import Job, differing
from embedder.results.scores_file import SCORES, read_results
from embedder.results.seeds import GroupScore, compare_groups
from embedder.results.titles import TITLES

_SEED = "seed"
_PLACES = ("evaluation", "")
"""Where a job has its evaluation, in its own folder."""


def groups_of(folder: Path, jobs: Sequence[Job]) -> dict[str, dict[str, Path]]:
    """The evaluations of jobs that are done, by their settings but the seed, then by seed; in the order of the sweep.

    Groups with one seed are left out, and of the others the seeds that not all of them have.
    """
    names = [name for name in differing(jobs) if name != _SEED]
    found: dict[str, dict[str, Path]] = {}
    for job in sorted(jobs, key=lambda job: int(job.get("number", 0))):
        places = (folder / job["folder"] / place for place in _PLACES)
        evaluation = next((place for place in places if (place / SCORES).is_file()), None)
        settings = job["settings"]
        if job["state"] == "done" and _SEED in settings and evaluation is not None:
            named = {name: str(settings.get(name, "")) for name in names}
            group = next(iter(named.values())) if len(named) == 1 else ", ".join(f"{k}={v}" for k, v in named.items())
            found.setdefault(group, {})[str(settings[_SEED])] = evaluation
    several = {group: own for group, own in found.items() if len(own) > 1}
    common = set.intersection(*(set(own) for own in several.values())) if several else set()
    if len(several) < 2 or len(common) < 2:
        return {}
    return {group: {seed: own[seed] for seed in sorted(common)} for group, own in several.items()}


def compare_jobs(
    groups: dict[str, dict[str, Path]],
    baseline: str,
    title: str = TITLES["trained"],
    metrics: Sequence[str] | None = None,
) -> list[GroupScore]:
    """Read the evaluations and compare the groups; see `compare_groups`."""
    results = {group: {seed: read_results(path) for seed, path in own.items()} for group, own in groups.items()}
    return compare_groups(results, baseline, title, metrics)
