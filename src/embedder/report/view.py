"""Everything that the page shows, computed from an evaluation folder before a line of HTML is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.bounds import NonNegativeInt
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.report.calibration import Calibration, FirstKeys
from embedder.report.charts import Scenario, scenarios
from embedder.report.curves import Curve, read_curves
from embedder.report.examples import Change, Example, changes
from embedder.report.harm import Harm, harms
from embedder.report.heat_map import HeatLine, heat_map
from embedder.report.leaderboard import Board, boards
from embedder.report.leaders import Leader, against, choose_pair, leaders, of_candidate
from embedder.results.answers import Answered, all_answers, has_answers
from embedder.results.scores import Scores
from embedder.results.scores_file import Results, read_results
from embedder.results.verdict import Verdict


@checked("report")
@dataclass(frozen=True)
class ReportSettings:
    """What a user can choose about the page.

    Args:
        training: Folder of the training run whose curves are shown; None to leave them out.
        candidate: The retriever that examples are about, by its name in the table; None for the trained one, or else
            the best.
        baseline: What it is compared with; None for the base encoder, or else BM25.
        examples: Gained queries of a data set that are shown, and lost ones, at most.
    """

    training: str | None = None
    candidate: str | None = None
    baseline: str | None = None
    examples: NonNegativeInt = 5

    def __post_init__(self) -> None:
        if self.candidate is not None and self.candidate == self.baseline:
            raise ConfigError("report.baseline", "another retriever than the candidate", self.baseline)


@dataclass(frozen=True)
class View:
    """The page as values."""

    evaluation: Results
    scores: Scores
    boards: list[Board]
    leaders: list[Leader]
    pair: tuple[str, str] | None
    """Candidate and baseline."""
    differences: list[Verdict]
    scenarios: list[Scenario]
    heat: list[HeatLine]
    calibrations: list[Calibration]
    examples: list[Example]
    has_answers: bool
    harms: list[Harm]
    curves: list[Curve]

    @property
    def summary(self) -> dict[str, list[Verdict]]:
        """The candidate against the baseline, by task."""
        return {} if self.pair is None else of_candidate(self.pair[0], self.differences)

    @property
    def protocols(self) -> list[tuple[str, dict[str, Any]]]:
        """What the rows of a data set share, under its name; then what a retriever has of its own."""
        found: list[tuple[str, dict[str, Any]]] = []
        for name in self.scores.datasets():
            own = self.scores.of(name)
            shared = {
                field: value
                for field, value in own[0].protocol.items()
                if all(row.protocol.get(field, row) == value for row in own)
            }
            rest = {
                row.retriever: {field: value for field, value in row.protocol.items() if field not in shared}
                for row in own
            }
            found.append(("/".join(name), shared | {who: value for who, value in rest.items() if value}))
        return found


def build_view(folder: Path, settings: ReportSettings) -> View:
    """Read a folder and compute what the page shows.

    Raises:
        DataError: A file is missing or not what it should be.
        ConfigError: A retriever that the settings name has no row.
    """
    evaluation = read_results(folder)
    scores = evaluation.scores
    for setting in ("candidate", "baseline"):
        name = getattr(settings, setting)
        if name is not None and name not in scores.retrievers:
            raise ConfigError(f"report.{setting}", f"one of {scores.retrievers}", name)
    curves = [] if settings.training is None else read_curves(Path(settings.training))
    pair = choose_pair(scores, settings.candidate, settings.baseline)
    found = [] if pair is None else changes(scores, *pair, settings.examples)
    first_keys, wanted = FirstKeys(), {(*change.dataset, change.query_id) for change in found}
    kept: dict[tuple[str, ...], Answered] = {}
    if has_answers(folder):
        for line in all_answers(folder):
            first_keys.see(line)
            if (line.task, line.dataset, line.query_id) in wanted and pair is not None and line.retriever in pair:
                kept[line.task, line.dataset, line.query_id, line.retriever] = line
    return View(
        evaluation=evaluation,
        scores=scores,
        boards=boards(scores),
        leaders=leaders(scores),
        pair=pair,
        differences=[] if pair is None else against(pair[1], scores),
        scenarios=scenarios(scores),
        heat=heat_map(scores),
        calibrations=first_keys.calibrations(),
        examples=_examples(found, pair, kept),
        has_answers=has_answers(folder),
        harms=harms(scores),
        curves=curves,
    )


def _examples(
    found: Sequence[Change], pair: tuple[str, str] | None, kept: dict[tuple[str, ...], Answered]
) -> list[Example]:
    if pair is None:
        return []
    candidate, baseline = pair
    return [
        Example(
            change,
            kept.get((*change.dataset, change.query_id, baseline)),
            kept.get((*change.dataset, change.query_id, candidate)),
        )
        for change in found
    ]
