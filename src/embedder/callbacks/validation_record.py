"""The scores of the first and the latest validation, in every checkpoint, so that they can be compared."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

import lightning as L
from lightning.pytorch.trainer.states import TrainerFn

from embedder.callbacks.retrieval_eval import RetrievalEvalCallback
from embedder.results.measures import sign
from embedder.results.resampling import Sampling, resample
from embedder.results.statistics import LEVEL, Difference, macro_difference, nested_weights
from embedder.results.verdict import Verdict


@dataclass(frozen=True)
class Validation:
    """One validation.

    Args:
        step: Steps that the weights had been trained for.
        scores: By logged name.
        queries: nDCG of every held-out query by id, by task and data set.
    """

    step: int
    scores: Mapping[str, float]
    queries: Mapping[str, Mapping[str, float]]


class ValidationRecord(L.Callback):
    """Keeps the validation before the first step, and the last one.

    Args:
        retrieval: Scores the queries.
    """

    def __init__(self, retrieval: RetrievalEvalCallback) -> None:
        self._retrieval = retrieval
        self.before: Validation | None = None
        self.last: Validation | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Processes that were started for training know the scores from before, not those of the queries."""
        if stage == "fit" and self.before is None and (scores := _scores(trainer)):
            self.before = Validation(0, scores, {})

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take it down."""
        self.last = Validation(trainer.global_step, _scores(trainer), dict(self._retrieval.per_query))
        if trainer.state.fn == TrainerFn.VALIDATING:
            self.before = self.last

    def add_before(self, scores: Mapping[str, float]) -> None:
        """Scores of the untrained encoder that something else measured."""
        if self.before is not None:
            self.before = Validation(0, {**self.before.scores, **scores}, self.before.queries)

    def state_dict(self) -> dict[str, Any]:
        """Both, as plain values."""
        return {name: asdict(one) for name in ("before", "last") if (one := getattr(self, name)) is not None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them over."""
        self.before, self.last = (
            Validation(**state_dict[name]) if name in state_dict else None for name in ("before", "last")
        )


def recorded(checkpoint: Mapping[str, Any]) -> tuple[Validation | None, Validation | None]:
    """Before training and of the weights of a checkpoint."""
    record = ValidationRecord.__new__(ValidationRecord)
    record.load_state_dict(checkpoint["callbacks"].get(ValidationRecord.__qualname__, {}))
    return record.before, record.last


def gain(metric: str, before: Validation, after: Validation, mode: str = "max") -> float | None:
    """By how much a score got better; None where it is not known of both, or has no value.

    Args:
        metric: Its logged name.
        before: The untrained encoder.
        after: The trained one.
        mode: `max` or `min`: which is better of a metric that is not known here.
    """
    if metric not in before.scores or metric not in after.scores:
        return None
    change = sign(metric, mode) * (after.scores[metric] - before.scores[metric])
    return None if isnan(change) else change


def retrieval_change(before: Validation, after: Validation) -> Difference | None:
    """What training did to the mean nDCG of the validation queries, with an interval and a paired test."""
    names = [name for name, queries in before.queries.items() if queries and name in after.queries]
    if not names or any(before.queries[name].keys() != after.queries[name].keys() for name in names):
        return None
    drawn = [
        resample({"a": before.queries[name], "b": after.queries[name]}, Sampling(resamples=2000), name)
        for name in names
    ]
    tasks = [(name.partition("/")[0], name.partition("/")[2]) for name in names]
    return macro_difference([(columns["a"], columns["b"]) for columns in drawn], nested_weights(tasks))


def told_change(metric: str, before: Validation, after: Validation) -> str | None:
    """One sentence: what training did to a score, and for nDCG whether the validation queries can tell.

    Returns:
        None where the score is not known of both.
    """
    if gain(metric, before, after) is None:
        return None
    a, b = before.scores[metric], after.scores[metric]
    told = f"{metric} was {a:.4f} before training and is {b:.4f} after {after.step} steps ({b - a:+.4f}"
    change = retrieval_change(before, after) if metric.startswith("val/ndcg@") else None
    if change is None:
        return f"{told})"
    if change.interval.is_known:
        told += f", {100 * LEVEL:.0f} % interval {change.interval.low:+.4f} to {change.interval.high:+.4f}"
    queries = "query" if change.n == 1 else "queries"
    told += f", {change.n} validation {queries}: {change.rose} better, {change.fell} worse)"
    if Verdict("before", "after", "validation", metric, change, change.p).beyond_chance:
        return f"{told}, beyond chance (p = {change.p:.2g})"
    return f"{told}; {change.n} {queries} cannot tell that from chance (p = {change.p:.2g})"


def _scores(trainer: L.Trainer) -> dict[str, float]:
    found = trainer.callback_metrics.items()
    return {name: float(value) for name, value in found if name.startswith(("val/", "rag/"))}
