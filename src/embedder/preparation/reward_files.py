"""The rewards of prepared records, computed from the stored log-likelihoods without the LLM."""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embedder.data.prepared import KEPT, LABELLED, PreparedDataset
from embedder.data.reward_column import Block, without_flat, write_reward_column
from embedder.errors import ConfigError
from embedder.files import make_once
from embedder.preparation.reward_settings import Rewards
from embedder.preparation.write_records import SPLITS
from embedder.rewards.tables import rewards_of_file
from embedder.training.task import Task
from embedder.types import IntArray

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
            blocks = list(rewards_of_file(prepared.directory / f"{split}.scores.arrow", reward))
            if split == "train" and task.labelling.min_reward_gap:
                wide = list(without_flat(blocks, task.labelling.min_reward_gap))
                np.save(partial / KEPT, _kept(task, prepared, blocks, wide))
                blocks = wide
            write_reward_column(partial / f"{split}.npy", blocks)
        (partial / "reward.json").write_text(json.dumps(settings.column_protocol(task), indent=1), encoding="utf-8")
        logger.info("%s/%s: rewards in %.1f s", prepared.task, prepared.name, time.perf_counter() - started)

    make_once(prepared.rewards, write, "the rewards are computed again")


def _kept(task: Task, prepared: PreparedDataset, blocks: Sequence[Block], wide: Sequence[Block]) -> IntArray:
    """The training records that are left once those whose rewards differ too little have lost them, as `wide` has it.

    Raises:
        ConfigError: None has rewards any more.
    """
    gap, name = task.labelling.min_reward_gap, f"{prepared.task}/{prepared.name}"
    before, judged = (np.concatenate([lengths > 0 for _, lengths in some]) for some in (blocks, wide))
    if not judged.any():
        expected = f"at most what the rewards of {before.sum()} training records of {prepared.name} differ by"
        raise ConfigError(f"tasks.{task.name}.labelling.min_reward_gap", expected, gap)
    kept = judged | np.load(prepared.directory / LABELLED) if task.objective.needs_positives else judged
    logger.info(
        "%s: %d of %d training records have rewards that differ by less than %g: %d are left out, the others train on "
        "their labels",
        name,
        before.sum() - judged.sum(),
        before.sum(),
        gap,
        (~kept).sum(),
    )
    return np.flatnonzero(kept)
