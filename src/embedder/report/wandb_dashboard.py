"""One layout for the evaluations of a Weights & Biases project, as code: verdict first, texts last."""

from pathlib import Path
from typing import TYPE_CHECKING

from embedder.errors import MissingExtraError
from embedder.evaluation.results import read_results
from embedder.evaluation.scores import Scores
from embedder.report.measures import headlines, title
from embedder.report.wandb_run import LEADERBOARD, QUERIES

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace


def dashboard(entity: str, project: str, folder: Path) -> "Workspace":
    """The layout for runs of `log_to_wandb`; `.save()` puts it on line, which needs an account.

    A bar plot for each scenario and headline metric compares runs retriever by retriever; the tables of the chosen runs
    stand below.

    Args:
        entity: User or team.
        project: The project that the runs were logged to.
        folder: An evaluation with the scenarios and retrievers to show.

    Raises:
        MissingExtraError: The package `wandb-workspaces` is not installed.
        DataError: The folder holds no scores.
    """
    try:
        import wandb_workspaces.reports.v2.interface as panels
        import wandb_workspaces.workspaces as workspaces
    except ImportError as error:
        raise MissingExtraError("wandb-workspaces", "pip install 'embedder[dashboard]'", "a dashboard") from error
    scores = Scores(read_results(folder).rows)
    layout = workspaces.Workspace(entity=entity, project=project, name="embedder: evaluation")
    for task in scores.tasks:
        metrics = headlines(scores.metrics(scores.datasets(task))).values()
        bars = [
            panels.BarPlot(title=title(metric), metrics=[*_summary_keys(scores, task, metric)]) for metric in metrics
        ]
        layout.sections.append(workspaces.Section(name=task, is_open=True, panels=[*bars]))
    for name in (LEADERBOARD, QUERIES):
        table = panels.WeavePanelSummaryTable(table_name=name)
        layout.sections.append(workspaces.Section(name=name, is_open=name == LEADERBOARD, panels=[table]))
    return layout


def _summary_keys(scores: Scores, task: str, metric: str) -> list[str]:
    return [
        f"{row.task}/{row.dataset}/{row.retriever}/{metric}"
        for row in scores.rows
        if row.task == task and metric in row.per_query
    ]
