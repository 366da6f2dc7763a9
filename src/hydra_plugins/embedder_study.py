"""Makes `hydra/sweeper=study` known to Hydra, which takes sweepers from this name space alone."""

import logging
import sys
from collections.abc import Sequence
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

logger = logging.getLogger(__name__)


class StudySweeper(Sweeper):
    """Searches the settings that make a run best: `python train.py -m hydra/sweeper=study`.

    Args:
        params: What is searched: settings with `interval(...)`, `range(...)` or `choice(...)`, as in Hydra's sweeps;
            None for those of the command line alone.
        n_trials: Jobs in all, including those before the search was resumed.
        at_once: Jobs that are started together, by a launcher that runs several.
        seed: Of the search.
    """

    def __init__(self, params: dict[str, str] | None, n_trials: int, at_once: int, seed: int) -> None:
        self.params, self.n_trials, self.at_once, self.seed = params or {}, n_trials, at_once, seed

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take the launcher that the command names."""
        self.config = config
        self.hydra_context = hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run what is missing of the study."""
        from embedder.entry.study import Study
        from embedder.errors import EmbedderError
        from embedder.shown import shown_message

        assert self.config is not None  # noqa: S101  # Hydra calls `setup` first
        try:
            study = Study(self.config, self._launch, self.params, self.n_trials, self.at_once, self.seed)
            return study.search(arguments)
        except EmbedderError as error:
            logger.error("%s", shown_message(error))
            sys.exit(2)

    def _launch(self, jobs: Sequence[Sequence[str]], first: int) -> list[Any]:
        assert self.launcher is not None  # noqa: S101  # as above
        self.validate_batch_is_legal(jobs)
        return [job.return_value for job in self.launcher.launch(jobs, initial_job_idx=first)]
