"""Show an evaluation: a page beside its scores and, if wished, a run of Weights & Biases."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.report.page import write_report
from embedder.report.view import ReportSettings
from embedder.report.wandb_run import log_to_wandb
from embedder.results.titles import TITLES

logger = logging.getLogger(__name__)

_SIDES = ("candidate", "baseline")


@checked("report")
@dataclass(frozen=True)
class HtmlRun:
    """What `evaluate.py action=html` does.

    Args:
        folder: An evaluation that `evaluate.py` wrote; the page goes there.
        settings: What the page shows.
        wandb: Whether the numbers become a run of Weights & Biases, in `FOLDER/wandb`.
        project: Of that run.
        artifacts: Whether it gets page and scores as an artifact.
        offline: Whether it stays on this machine until `wandb sync`.
    """

    folder: str | None
    settings: ReportSettings
    wandb: bool = False
    project: str = "embedder"
    artifacts: bool = False
    offline: bool = True

    def __post_init__(self) -> None:
        if self.folder is None or not Path(self.folder).is_dir():
            raise ConfigError("run_dir", "the folder of an evaluation", self.folder)

    def run(self) -> Path:
        """Write the page."""
        folder = Path(self.folder or "")
        named = {side: TITLES.get(title, title) for side in _SIDES if (title := getattr(self.settings, side))}
        page = write_report(folder, replace(self.settings, **named))
        logger.info("report: %s (%.0f kB)", page, page.stat().st_size / 1e3)
        if self.wandb:
            where = log_to_wandb(folder, self.project, offline=self.offline, artifacts=self.artifacts)
            logger.info("Weights & Biases: %s", f"wandb sync {where}" if self.offline else where)
        return page
