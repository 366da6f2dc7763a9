"""Checks of the metrics that checkpoints and early stops watch, before labelling and after the first validation."""

import logging
import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from embedder.callbacks.best import best_checkpoint, early_stopping
from embedder.errors import ConfigError

logger = logging.getLogger(__name__)


def check_monitors(
    callbacks: Iterable[L.Callback],
    tasks: Collection[str],
    cutoff: int,
    optimise: str | None,
    answered_every: int | None,
    validated_every: int,
) -> None:
    """Refuse a checkpoint, an early stop or a sweep that watches a name which is never logged, or not at a validation.

    Args:
        callbacks: Of the trainer.
        tasks: Names of the tasks of the mix.
        cutoff: Rank at which nDCG is cut.
        optimise: What a sweep optimises; None for nothing that is logged.
        answered_every: Steps after which the LLM answers validation queries in training; None if it does not.
        validated_every: Steps between two validations.

    Raises:
        ConfigError: With the names that are logged.
    """
    of_all = ["val/loss", f"val/ndcg@{cutoff}"]
    of_tasks = [name for task in tasks for name in (f"train/{task}/loss", f"val/{task}/ndcg@{cutoff}")]
    any_task = "|".join(map(re.escape, tasks))
    # Names of data sets and metrics of consumers are not known yet.
    patterns = [f"val/({any_task})/.+/(loss|ndcg@{cutoff})", *([f"rag/({any_task})/.+"] if answered_every else [])]
    watched = [
        (f"callbacks.plain.{'best' if isinstance(callback, ModelCheckpoint) else 'early_stopping'}.monitor", monitor)
        for callback in callbacks
        if isinstance(callback, ModelCheckpoint | EarlyStopping) and (monitor := callback.monitor) is not None
    ]
    if optimise is not None and optimise.startswith(("val/", "rag/")):  # any other logged name may be optimised too
        watched.append(("optimise", optimise))
    for setting, name in watched:
        if name in (*of_all, *of_tasks) or any(re.fullmatch(pattern, str(name)) for pattern in patterns):
            if answered_every and str(name).startswith("rag/") and validated_every % answered_every:
                expected = f"{validated_every}, the steps between validations, since {setting} needs a score at each"
                raise ConfigError("callbacks.rag_eval.every_n_steps", expected, answered_every)
            continue
        near = get_close_matches(str(name), [*of_all, *of_tasks], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        shown = ", ".join([*of_all, *of_tasks])
        rag = "" if answered_every or not str(name).startswith("rag/") else "; rag/... needs callbacks=rag_eval"
        raise ConfigError(setting, f"a name that is logged ({shown}{rag}){hint}", name)


def check_logged(callbacks: Iterable[L.Callback], scores: Collection[str]) -> None:
    """Refuse a callback that watches a validation score which the first validation did not have.

    Args:
        callbacks: Of the trainer.
        scores: Names of the scores of the first validation.

    Raises:
        ConfigError: With the names that it had.
    """
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if monitor is not None and monitor.startswith("val/") and monitor not in scores:
            where = "early_stopping" if isinstance(callback, EarlyStopping) else "best"
            raise ConfigError(f"callbacks.plain.{where}.monitor", f"a name among {sorted(scores)}", monitor)


def by_loss(callback: L.Callback) -> L.Callback:
    """A callback that watches the validation loss: without a labelled validation query nDCG has no value."""
    if not isinstance(callback, ModelCheckpoint | EarlyStopping) or not str(callback.monitor).startswith("val/ndcg"):
        return callback
    name = "early stopping" if isinstance(callback, EarlyStopping) else "the best checkpoint"
    logger.warning(
        "no validation query has a gold key, so %s is chosen by val/loss instead of %s", name, callback.monitor
    )
    if isinstance(callback, EarlyStopping):
        return early_stopping("val/loss", min_delta=abs(callback.min_delta), patience=callback.patience)
    return best_checkpoint(
        "val/loss",
        save_top_k=callback.save_top_k,
        dirpath=callback.dirpath,
        filename=callback.filename,
        auto_insert_metric_name=False,
    )
