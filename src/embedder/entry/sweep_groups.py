"""The evaluations of a sweep over seeds: which jobs differ in their seed alone, and how groups of them compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedder.entry.sweep_job import PLACES, Job, differing
from embedder.errors import ConfigError
from embedder.results.scores_file import SCORES, read_results
from embedder.results.seeds import GroupScore, compare_groups
from embedder.results.titles import TITLES

_SEED = "seed"


@dataclass(frozen=True)
class SeedGroups:
    """The evaluations of a sweep over seeds that can be compared.

    Args:
        evaluations: Of jobs that are done, by their settings but the seed, then by seed; in the order of the sweep.
            All have the same two or more seeds.
        first: The group of the first job, which may be left out.
        left_out: What is not compared, and why, in words.
    """

    evaluations: Mapping[str, Mapping[str, Path]]
    first: str
    left_out: Sequence[str]


def groups_of(folder: Path, jobs: Sequence[Job]) -> SeedGroups | None:
    """The groups of jobs that differ in their seed alone; None where no job of several seeds was evaluated.

    Groups with one seed are left out, and of the others the seeds that not all of them have.
    """
    names = [name for name in differing(jobs) if name != _SEED]
    found: dict[str, dict[str, Path]] = {}
    seeds: dict[str, None] = {}
    for job in sorted(jobs, key=lambda job: int(job.get("number", 0))):
        settings = job["settings"]
        if _SEED not in settings:
            continue
        named = {name: str(settings.get(name, "")) for name in names}
        group = next(iter(named.values())) if len(named) == 1 else ", ".join(f"{k}={v}" for k, v in named.items())
        own = found.setdefault(group, {})
        seeds[str(settings[_SEED])] = None
        places = (folder / job["folder"] / place for place in PLACES)
        evaluation = next((place for place in places if (place / SCORES).is_file()), None)
        if job["state"] == "done" and evaluation is not None:
            own[str(settings[_SEED])] = evaluation
    if len(found) < 2 or len(seeds) < 2 or not any(found.values()):
        return None
    several = {group: own for group, own in found.items() if len(own) > 1}
    common = sorted(seed for seed in seeds if several and all(seed in own for own in several.values()))
    left_out = [
        f"{group}: of its seeds, these are evaluated: {', '.join(own) or 'none'}"
        for group, own in found.items()
        if group not in several
    ]
    for seed in seeds:
        if lacking := [group for group, own in several.items() if seed not in own]:
            left_out.append(f"seed {seed}, not evaluated for {', '.join(lacking)}")
    evaluations = {group: {seed: own[seed] for seed in common} for group, own in several.items() if len(common) > 1}
    return SeedGroups(evaluations, next(iter(found)), left_out)


def compare_jobs(
    groups: SeedGroups,
    baseline: str | None = None,
    title: str = TITLES["trained"],
    metrics: Sequence[str] | None = None,
) -> list[GroupScore]:
    """Read the evaluations and compare the groups; see `compare_groups`.

    Args:
        groups: Of a sweep.
        baseline: The group that the others are compared with; None for that of the first job.
        title: Of the row that is compared.
        metrics: Which; None for the usual ones.

    Raises:
        ConfigError: The baseline is not among the groups that can be compared, or there is nothing to compare.
    """
    baseline = groups.first if baseline is None else baseline
    if baseline not in groups.evaluations:
        expected = f"a group of the sweep that can be compared, which are {list(groups.evaluations)}"
        why = f" (left out: {'; '.join(groups.left_out)})" if groups.left_out else ""
        raise ConfigError("baseline", expected + why, baseline)
    results = {group: {seed: read_results(at) for seed, at in own.items()} for group, own in groups.evaluations.items()}
    return compare_groups(results, baseline, title, metrics)
