"""What a task's rewards look like, in the loggers of the run that trains on them."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

from embedder.data.prepared import PreparedDataset
from embedder.training.module import require_retriever

_RECORDS = 2000  # of a data set, from its start: a histogram shows no more
_BINS = 32


class RewardHistograms(L.Callback):
    """Logs before the first step, for each task whose objective distils rewards.

    `rewards/<task>/all` are the rewards of all candidates, `/positives` those of the labelled ones, `/lead` what the
    best candidate of a query has before the second: where it is 0, the LLM prefers none. Weights & Biases and
    TensorBoard get histograms, every logger the means, as `rewards/<task>/all/mean`.

    Args:
        datasets: The prepared data sets of the run.
    """

    def __init__(self, datasets: Sequence[PreparedDataset]) -> None:
        self._datasets = datasets

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log, once a run."""
        if trainer.global_step > 0 or not trainer.is_global_zero:
            return
        tasks = require_retriever(pl_module).tasks
        for name in (name for name, task in tasks.items() if task.objective.needs_rewards):
            rewards = _rewards([dataset for dataset in self._datasets if dataset.task == name])
            logged = {f"rewards/{name}/{kind}": values for kind, values in rewards.items() if values}
            for logger in trainer.loggers:
                logger.log_metrics({f"{key}/mean": float(np.mean(values)) for key, values in logged.items()}, step=0)
                _draw(logger, logged)


def _rewards(datasets: Sequence[PreparedDataset]) -> dict[str, list[float]]:
    by_kind: dict[str, list[float]] = {"all": [], "positives": [], "lead": []}
    for record in (record for dataset in datasets for record in islice(dataset.records("train"), _RECORDS)):
        rewards = list(record.rewards or ())
        by_kind["all"] += rewards
        by_kind["positives"] += rewards[: len(record.positives)]
        if len(rewards) > 1:
            best, second = sorted(rewards, reverse=True)[:2]
            by_kind["lead"].append(best - second)
    return by_kind


def _draw(logger: Any, logged: Mapping[str, list[float]]) -> None:
    for key, values in logged.items():
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_histogram(key, np.array(values), 0)
        if isinstance(logger, WandbLogger):
            import wandb  # loaded by its logger

            histogram = wandb.Histogram(np_histogram=np.histogram(values, _BINS))
            logger.experiment.log({key: histogram, "trainer/global_step": 0})
