"""Hold the names that callbacks go by against those that a run will log, before anything is labelled."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from embedder.errors import ConfigError


def check_monitors(callbacks: Iterable[L.Callback], tasks: Collection[str], cutoff: int, *, answered: bool) -> None:
    """Refuse a checkpoint or an early stop that goes by a name which is never logged.

    Args:
        callbacks: Of the trainer.
        tasks: Names of the tasks of the mix.
        cutoff: Place at which nDCG is cut.
        answered: Whether the LLM is asked in training.

    Raises:
        ConfigError: With the names that are logged.
    """
    of_all = ["val/loss", f"val/ndcg@{cutoff}"]
    of_tasks = [name for task in tasks for name in (f"train/{task}/loss", f"val/{task}/ndcg@{cutoff}")]
    some = "|".join(map(re.escape, tasks))
    # Names of data sets and metrics of consumers are not known yet.
    patterns = [f"val/({some})/.+/(loss|ndcg@{cutoff})", *([f"rag/({some})/.+"] if answered else [])]
    for callback in callbacks:
        if not isinstance(callback, ModelCheckpoint | EarlyStopping) or callback.monitor is None:
            continue
        name = callback.monitor
        if name in (*of_all, *of_tasks) or any(re.fullmatch(pattern, str(name)) for pattern in patterns):
            continue
        setting = "best" if isinstance(callback, ModelCheckpoint) else "early_stopping"
        near = get_close_matches(str(name), [*of_all, *of_tasks], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        shown = ", ".join([*of_all, *of_tasks])
        rag = "" if answered or not str(name).startswith("rag/") else "; rag/... needs callbacks=rag_eval"
        raise ConfigError(f"callbacks.plain.{setting}.monitor", f"a name that is logged ({shown}{rag}){hint}", name)
