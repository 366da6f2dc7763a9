"""The numbers of an evaluation as a run of Weights & Biases: tables, a bar chart for each scenario, a summary."""

import logging
from pathlib import Path
from typing import Any

from embedder.errors import ConfigError, MissingExtraError, extra
from embedder.report.charts import scenarios
from embedder.report.leaderboard import Board, boards
from embedder.report.measures import title
from embedder.results.answers import Answered, all_answers, has_answers
from embedder.results.scores_file import read_results
from embedder.shown import shown_lines

logger = logging.getLogger(__name__)

LEADERBOARD, QUERIES = "leaderboard", "queries"
"""Keys of the tables."""
Table = tuple[list[str], list[list[Any]]]
"""Columns and rows."""

_NOTHING_OF_THE_MACHINE: dict[str, Any] = {
    "disable_git": True,  # commit, branch and address of the repository
    "disable_code": True,
    "x_disable_machine_info": True,  # hardware, user, script and its arguments
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,  # installed packages, and where editable ones lie
    "host": "",
}
_FILES = ("report.html", "scores.json", "table.md")
_MAX_LINES = 10_000
_MAX_CHARACTERS = 300


def chart_key(task: str, metric: str) -> str:
    """Under which key the bar chart of a scenario is logged."""
    return f"scenario/{task}/{metric}"


def log_to_wandb(
    folder: Path, project: str, *, offline: bool = True, artifacts: bool = False, max_lines: int = _MAX_LINES
) -> Path | str:
    """Log an evaluation folder.

    The run holds the table `leaderboard` (one line for each data set, retriever and metric, with its interval), the
    table `queries` (texts cut), a bar chart `scenario/<task>/<metric>` of each headline metric, and in its summary
    `<data set>/<retriever>/<metric>`. Its config is the protocol. What
    Weights & Biases would add of itself about the machine is left out.

    Args:
        folder: Holds `scores.json`, and `queries.jsonl` where there are texts.
        project: Of Weights & Biases.
        offline: Whether the run stays on this machine until `wandb sync`.
        artifacts: Whether page and scores become an artifact too.
        max_lines: Lines of the table of queries, at most; the rest is counted in the log.

    Returns:
        The folder of the run, below `folder/wandb`; its address where it went online.

    Raises:
        DataError: A file is missing or not what it should be.
        ConfigError: `project` is empty.
        MissingExtraError: wandb is not installed.
    """
    if not project:
        raise ConfigError("report.project", "the name of a project", project)
    evaluation = read_results(folder)
    scores = evaluation.scores
    tables = boards(scores)
    logged = {LEADERBOARD: _leaderboard_table(tables), QUERIES: _queries_table(folder, max_lines)}
    try:
        import wandb  # here, for it takes seconds, and pages need none of it
    except ImportError as error:
        raise MissingExtraError("wandb", extra("wandb"), "report.wandb=true") from error

    with wandb.init(
        project=project,
        job_type="evaluation",
        name=folder.resolve().name,
        dir=str(folder),
        config={
            "protocol": _without_folders(evaluation.protocol),
            "data sets": ["/".join(name) for name in scores.datasets()],
        },
        mode="offline" if offline else "online",
        settings=wandb.Settings(silent=True, console="off", **_NOTHING_OF_THE_MACHINE),
    ) as run:
        charts = {
            chart_key(scenario.task, chart.metric): wandb.plot.bar(
                wandb.Table(
                    ["retriever", chart.metric],
                    [[shown_lines(name, _MAX_CHARACTERS), mean.value] for name, mean in chart.bars],
                ),
                "retriever",
                chart.metric,
                title=f"{scenario.task}: {title(chart.metric)}",
            )
            for scenario in scenarios(scores)
            for chart in scenario.charts
        }
        written = {name: table for name, table in logged.items() if table is not None}
        run.log(
            {name: wandb.Table(columns=[*columns], data=rows) for name, (columns, rows) in written.items()} | charts
        )
        run.summary.update(_summary(tables))
        if artifacts:
            report = wandb.Artifact(f"evaluation-{run.id}", "evaluation")
            for path in (folder / name for name in _FILES):
                if path.is_file():
                    report.add_file(str(path))
            run.log_artifact(report)
        return Path(run.dir).parent if offline else str(run.url)


def _without_folders(value: Any) -> Any:
    """Settings in which the path of a file of this machine is its name alone."""
    if isinstance(value, dict):
        return {name: _without_folders(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _leaderboard_table(tables: list[Board]) -> Table:
    lines = [
        [board.title, who, metric, cell.mean.value, cell.mean.low, cell.mean.high, board.queries, cell.best]
        for board in tables
        for who, metric, cell in board.cells()
    ]
    return ["data set", "retriever", "metric", "mean", "low", "high", "queries", "best"], lines


def _queries_table(folder: Path, max_lines: int) -> Table | None:
    """The lines of `queries.jsonl`, with a column for each metric; None where there is no such file."""
    if not has_answers(folder):
        return None
    found: list[Answered] = []
    total = 0
    for line in all_answers(folder):
        total += 1
        if len(found) < max_lines:
            found.append(line)
    if total > max_lines:
        logger.warning("Weights & Biases gets %d of %d lines of queries.jsonl", max_lines, total)
    metrics = list(dict.fromkeys(metric for line in found for metric in line.scores))
    columns = ["data set", "retriever", "query_id", "query", "wanted", "output", "first key", "score", "gold"]
    return [*columns, *metrics], [_cells(line, metrics) for line in found]


def _cells(line: Answered, metrics: list[str]) -> list[Any]:
    first = line.keys[0] if line.keys else None
    return [
        f"{line.task}/{line.dataset}",
        line.retriever,
        line.query_id,
        shown_lines(line.query, _MAX_CHARACTERS),
        shown_lines(" · ".join(line.answers), _MAX_CHARACTERS),
        None if line.output is None else shown_lines(line.output, _MAX_CHARACTERS),
        None if first is None else shown_lines(first.text, _MAX_CHARACTERS),
        None if first is None else first.score,
        None if first is None or not line.gold else first.id in line.gold,
        *(line.scores.get(metric) for metric in metrics),
    ]


def _summary(tables: list[Board]) -> dict[str, float]:
    return {f"{board.title}/{who}/{metric}": cell.mean.value for board in tables for who, metric, cell in board.cells()}
