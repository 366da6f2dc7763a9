"""`evaluate.py action=compare`: which of two evaluations is better, how sure that is, and on which queries."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.entry.sweep import jobs_of
from embedder.entry.sweep_groups import compare_jobs, groups_of
from embedder.entry.sweep_job import SWEEP
from embedder.errors import ConfigError
from embedder.files import write_atomically
from embedder.results.comparison import CompareSettings, Comparison, compare
from embedder.results.comparison_text import render_comparison
from embedder.results.scores_file import Results, read_results
from embedder.results.seeds import GroupScore
from embedder.results.seeds_text import render_groups
from embedder.results.titles import TITLES

logger = logging.getLogger(__name__)

_LOGGED = 3  # queries in each direction; the rest is in compare.md


@dataclass(frozen=True)
class CompareRun:
    """What `evaluate.py action=compare` does.

    Args:
        runs: One or two folders that `evaluate.py` wrote; the first is A, the second B. Or the folder of a sweep over
            seeds, whose jobs are compared by groups that differ in their seed alone.
        rows: Which rows of B, by name or title; None for all that can be compared. Of a sweep one, None for `trained`.
        baseline: The row of A that all of them are compared with, by name or title; None for the row of the same name.
            Of a sweep the group that the others are compared with; None for that of its first job.
        settings: What is compared and shown.
        output_dir: Where `compare.md` and `compare.json` go.
    """

    runs: Sequence[str]
    rows: Sequence[str] | None
    baseline: str | None
    settings: CompareSettings
    output_dir: str

    def __post_init__(self) -> None:
        if isinstance(self.runs, str) or not 1 <= len(self.runs) <= 2:
            expected = "one or two folders of evaluations, such as 'runs=[outputs/a,outputs/b]'"
            raise ConfigError("runs", expected, self.runs)
        object.__setattr__(self, "runs", [str(run) for run in self.runs])  # Hydra reads a folder 2024 as a number
        if self.rows is not None and (isinstance(self.rows, str) or not self.rows):
            raise ConfigError("rows", "a list of rows such as [trained], or null for all", self.rows)
        if len(self.runs) == 1 and self.baseline is None and not self._of_sweep:
            raise ConfigError("baseline", "a row that the others of the one run are held against, such as base", None)

    @property
    def _of_sweep(self) -> bool:
        return len(self.runs) == 1 and (Path(self.runs[0]) / SWEEP).is_file()

    def run(self) -> Comparison | list[GroupScore]:
        """Compare, log the findings with the largest changes, and write all of it."""
        return self._groups(Path(self.runs[0])) if self._of_sweep else self._compared()

    def _groups(self, folder: Path) -> list[GroupScore]:
        """The groups of a sweep over seeds."""
        groups = groups_of(folder, jobs_of(folder))
        if groups is None:
            expected = "a sweep with evaluations of two groups of jobs or more, each with the same two seeds or more"
            raise ConfigError("runs", expected, str(folder))
        baseline = self.baseline or groups.first
        row, *more = self.rows or ("trained",)
        if more:
            raise ConfigError("rows", "one row of a sweep's evaluations, such as [trained]", list(self.rows or ()))
        found = compare_jobs(groups, baseline, TITLES.get(row, row), self.settings.metrics)
        content = {"format": 1, "sweep": str(folder), "baseline": baseline, "left_out": list(groups.left_out)}
        content["groups"] = [one.as_json() for one in found]
        self._write(content, text := render_groups(found, baseline, groups.left_out))
        logger.info("\n%s", text)
        return found

    def _write(self, content: Mapping[str, Any], text: str) -> None:
        directory = Path(self.output_dir)
        write_atomically(directory / "compare.json", json.dumps(content, indent=1, ensure_ascii=False))
        write_atomically(directory / "compare.md", text)
        logger.info("comparison: %s", directory / "compare.md")

    def _compared(self) -> Comparison:
        a = read_results(self.runs[0])
        b = read_results(self.runs[1]) if len(self.runs) == 2 else a
        found = compare(a, b, self._pairs(a, b), self.settings)
        self._write(found.as_json(), render_comparison(found))
        for warning in found.warnings:
            logger.warning("%s", warning)
        logger.info("\n%s", render_comparison(found, _LOGGED))
        return found

    def _pairs(self, a: Results, b: Results) -> list[tuple[str, str]]:
        against = None if self.baseline is None else _title("baseline", self.baseline, a, "A")
        if self.rows is not None:
            wanted = [_title("rows", row, b, "B") for row in self.rows]
        else:
            wanted = [title for title in b.scores.retrievers if against is not None or title in a.scores.retrievers]
        pairs = [(_title("rows", title, a, "A") if against is None else against, title) for title in wanted]
        pairs = [(in_a, in_b) for in_a, in_b in pairs if a is not b or in_a != in_b]
        if not pairs:
            expected = (
                f"a row of B other than the baseline, or one that A has too ({self.baseline or a.scores.retrievers})"
            )
            raise ConfigError("rows", expected, list(self.rows or b.scores.retrievers))
        return pairs


def _title(setting: str, row: str, results: Results, name: str) -> str:
    """The title of a row that a run has, by its name in the settings (`base`) or the title itself."""
    title = TITLES.get(row, row)
    if title not in results.scores.retrievers:
        names = [short for short, long in TITLES.items() if long in results.scores.retrievers]
        raise ConfigError(
            setting, f"rows of {name} ({results.folder}), which are {names or results.scores.retrievers}", row
        )
    return title
