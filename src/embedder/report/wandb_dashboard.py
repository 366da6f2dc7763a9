"""Layouts of a Weights & Biases project as code, for evaluations, trainings and sweeps: the verdict first."""

import csv
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedder.errors import MissingExtraError, extra
from embedder.report.curves import log_files
from embedder.report.measures import headlines, title
from embedder.report.wandb_run import LEADERBOARD, QUERIES
from embedder.results.scores import Scores
from embedder.results.scores_file import read_results

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

_STEP = "trainer/global_step"
# Panels of a training by section: title, and which logged names they show.
_TRAINING = {
    "Validation": [("Retrieval", "val/*@*"), ("Validation loss", "val/*loss")],
    "Loss": [("Loss by task", "train/*/loss"), ("Factor of the rate by task", "train/*/rate_factor")],
    "Answers of the LLM": [("Answers", "rag/*")],
    "Negatives": [("In batch", "train/*/negatives_batch"), ("Across devices", "train/*/negatives_devices")],
    "Index refreshes": [("Negatives that changed", "reindex/*/changed"), ("Gain since the last", "reindex/*/val_gain")],
    "Optimisation": [("Norm of the gradient", "train/gradient_norm"), ("Learning rate", "lr*")],
    "Speed": [
        ("Tokens a second", "speed/tokens_per_s"),
        ("Padding", "speed/padding"),
        ("Waiting for data", "speed/data_wait"),
        ("Memory, GB", "memory/*"),
    ],
}
_REWARDS = "Rewards"


def evaluation_layout(folder: Path, entity: str, project: str) -> "Workspace":
    """The layout for runs of `log_to_wandb`; `.save()` puts it on line, which needs an account.

    A bar plot for each scenario and headline metric compares runs retriever by retriever; the tables of the chosen runs
    stand below.

    Args:
        folder: An evaluation with the scenarios and retrievers to show.
        entity: User or team.
        project: The project that the runs were logged to.

    Raises:
        MissingExtraError: The package `wandb-workspaces` is not installed.
        DataError: The folder holds no scores.
    """
    panels, workspaces, _ = _package()
    scores = read_results(folder).scores
    sections = []
    for task in scores.tasks:
        metrics = headlines(scores.metrics(scores.datasets(task))).values()
        bars = [
            panels.BarPlot(title=title(metric), metrics=[*_summary_keys(scores, task, metric)]) for metric in metrics
        ]
        sections.append(workspaces.Section(name=task, is_open=True, panels=[*bars]))
    for name in (LEADERBOARD, QUERIES):
        table = panels.WeavePanelSummaryTable(table_name=name)
        sections.append(workspaces.Section(name=name, is_open=name == LEADERBOARD, panels=[table]))
    return _workspace("embedder: evaluation", sections, entity, project)


def training_layout(folder: Path, entity: str, project: str) -> "Workspace":
    """The layout for trainings like one that is there: what it logged decides which panels there are.

    Args:
        folder: Of a training run with `csv/metrics.csv`.
        entity: User or team.
        project: The project that the runs were logged to.

    Raises:
        MissingExtraError: The package `wandb-workspaces` is not installed.
        DataError: The folder holds no log.
    """
    panels, workspaces, _ = _package()
    names = _logged(folder)
    sections = []
    for section, wanted in _TRAINING.items():
        found = [(heading, [name for name in names if fnmatch(name, pattern)]) for heading, pattern in wanted]
        plots = [panels.LinePlot(title=heading, x=_STEP, y=keys) for heading, keys in found if keys]
        if plots:
            sections.append(workspaces.Section(name=section, is_open=True, panels=plots))
    kinds = [name.removesuffix("/mean") for name in names if fnmatch(name, "rewards/*/mean")]
    if kinds:
        histograms = [panels.LinePlot(title=name.removeprefix("rewards/"), x=_STEP, y=[name]) for name in kinds]
        sections.append(workspaces.Section(name=_REWARDS, is_open=True, panels=histograms))
    return _workspace("embedder: training", sections, entity, project)


def sweep_layout(group: str, searched: Sequence[str], metric: str, entity: str, project: str) -> "Workspace":
    """The layout for the jobs of one sweep, best first.

    Args:
        group: Of the jobs.
        searched: Keys in `searched` of their config.
        metric: What the sweep went by, a key of their summary; `-` before it where less is better.
        entity: User or team.
        project: The project that the jobs were logged to.

    Raises:
        MissingExtraError: The package `wandb-workspaces` is not installed.
    """
    panels, workspaces, expressions = _package()
    name = metric.removeprefix("-")
    settings = [f"searched.{key}" for key in searched]
    columns = [panels.ParallelCoordinatesPlotColumn(metric=panels.Config(setting)) for setting in settings]
    columns.append(panels.ParallelCoordinatesPlotColumn(metric=panels.SummaryMetric(name)))
    found = [
        panels.ParallelCoordinatesPlot(title="Settings and what came of them", columns=columns),
        panels.ParameterImportancePlot(with_respect_to=name),
        panels.BarPlot(title=name, metrics=[name]),
    ]
    layout = _workspace(f"embedder: sweep {group}", [workspaces.Section(name=group, panels=found)], entity, project)
    layout.runset_settings = workspaces.RunsetSettings(
        filters=[expressions.Metric("Group") == group],
        order=[expressions.Ordering(expressions.Summary(name), ascending=metric.startswith("-"))],
        pinned_columns=[f"summary:{name}", *(f"config:{setting}" for setting in settings)],
    )
    return layout


def as_json(layout: "Workspace") -> str:
    """What would be sent."""
    text: str = layout._to_model().spec.model_dump_json(by_alias=True, exclude_none=True, indent=1)
    return text


def _package() -> tuple[Any, Any, Any]:
    try:
        import wandb_workspaces.expr as expressions
        import wandb_workspaces.reports.v2.interface as panels
        import wandb_workspaces.workspaces as workspaces
    except ImportError as error:
        raise MissingExtraError("wandb-workspaces", extra("dashboard"), "a dashboard") from error
    return panels, workspaces, expressions


def _workspace(name: str, sections: list[Any], entity: str, project: str) -> "Workspace":
    _, workspaces, _ = _package()
    made: Workspace = workspaces.Workspace(entity=entity, project=project, name=name, sections=sections)
    return made


def _logged(run: Path) -> list[str]:
    """The names that a training logged, before and after it was resumed."""
    names: dict[str, None] = {}
    for path in log_files(run):
        with path.open(encoding="utf-8", newline="") as file:
            names |= dict.fromkeys(next(csv.reader(file), []))
    return sorted(names)


def _summary_keys(scores: Scores, task: str, metric: str) -> list[str]:
    return [
        f"{row.task}/{row.dataset}/{row.retriever}/{metric}"
        for row in scores.rows
        if row.task == task and metric in row.per_query
    ]
