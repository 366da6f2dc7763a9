"""The rewards of prepared records, computed from the stored log-likelihoods without the LLM."""

import json
import logging
import time
from pathlib import Path

import numpy as np

from embedder.data.prepared import PreparedDataset
from embedder.data.reward_column import RewardColumn, write_reward_column
from embedder.errors import ConfigError
from embedder.files import make_once
from embedder.preparation.reward_settings import Rewards
from embedder.preparation.write_records import SPLITS
from embedder.rewards.tables import rewards_of_file
from embedder.training.task import Task

logger = logging.getLogger(__name__)


def make_rewards(task: Task, prepared: PreparedDataset, settings: Rewards) -> None:
    """Write the rewards of a data set into their folder beside its records, unless they are there and whole.

    Args:
        task: May set its own reward.
        prepared: The records, with their table of log-likelihoods; nothing is done where they need no rewards.
        settings: How rewards are computed.

    Raises:
        ConfigError: No training record has rewards that differ by the task's `min_reward_gap`.
    """
    if prepared.rewards is None:
        return

    def write(partial: Path) -> None:
        started = time.perf_counter()
        reward = settings.of_task(task).reward
        for split in SPLITS:
            tables = prepared.directory / f"{split}.scores.arrow"
            write_reward_column(partial / f"{split}.npy", rewards_of_file(tables, reward))
        _leave_out_flat(task, prepared, partial)
        (partial / "reward.json").write_text(json.dumps(settings.column_protocol(task), indent=1), encoding="utf-8")
        logger.info("%s/%s: rewards in %.1f s", prepared.task, prepared.name, time.perf_counter() - started)

    make_once(prepared.rewards, write, "the rewards are computed again")


def _leave_out_flat(task: Task, prepared: PreparedDataset, rewards: Path) -> None:
    """Write which training records `min_reward_gap` keeps, if it is set."""
    gap = task.labelling.min_reward_gap
    if not gap:
        return
    column = RewardColumn(rewards / "train.npy")
    kept = column.wide(gap)
    if not len(kept):
        expected = f"at most what the rewards of {len(column)} training records of {prepared.name} differ by"
        raise ConfigError(f"tasks.{task.name}.labelling.min_reward_gap", expected, gap)
    np.save(rewards / "train.kept.npy", kept)
    logger.info(
        "%s/%s: %d of %d training records have rewards that differ by less than %g and are left out",
        task.name,
        prepared.name,
        len(column) - len(kept),
        len(column),
        gap,
    )
