"""Calibration: whether the first key is right more often when its score is higher."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from embedder.results.answers import Answered

Floats = npt.NDArray[np.float64]

_BINS = 10
_LEAST = 5  # queries a bin


@dataclass(frozen=True)
class Bin:
    """Queries whose first key scored alike."""

    low: float
    high: float
    """Range of their scores."""
    queries: int
    right: float
    """Share of them whose first key is a gold key."""
    right_low: float
    right_high: float
    """Its 95 % interval (Wilson)."""


@dataclass(frozen=True)
class Calibration:
    """One retriever on the queries of one task that have gold keys."""

    task: str
    retriever: str
    queries: int
    auc: float | None
    """Chance that a right first key scored higher than a wrong one; 0.5 says nothing. None: all right, or all wrong."""
    bins: list[Bin]
    """Tenths of the queries by score, lowest first; empty where all scores are equal."""


@dataclass
class FirstKeys:
    """Collects score and verdict of the first key of every query, as the lines go by."""

    _seen: dict[tuple[str, str], dict[str, list[tuple[float, bool]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def see(self, line: Answered) -> None:
        """Take in a line; queries without gold keys and rows without keys tell nothing."""
        if line.gold and line.keys:
            first = line.keys[0]
            self._seen[line.task, line.retriever][line.dataset].append((first.score, first.id in line.gold))

    def calibrations(self) -> list[Calibration]:
        """One for each task and retriever."""
        return [_calibration(task, who, by_dataset.values()) for (task, who), by_dataset in self._seen.items()]


def _calibration(task: str, retriever: str, by_dataset: Iterable[list[tuple[float, bool]]]) -> Calibration:
    """Scores are ranked inside their data set: those of two corpora have no common scale."""
    from scipy.stats import rankdata

    parts = [(np.array([score for score, _ in own]), np.array([hit for _, hit in own])) for own in by_dataset]
    scores = np.concatenate([part for part, _ in parts])
    right = np.concatenate([part for _, part in parts])
    ranks = np.concatenate([(rankdata(part) - 0.5) / len(part) for part, _ in parts])  # in (0, 1)
    if all(np.ptp(part) == 0 for part, _ in parts):
        return Calibration(task, retriever, len(scores), None, [])
    n_bins = max(1, min(_BINS, len(scores) // _LEAST))
    of_bin = np.minimum((ranks * n_bins).astype(int), n_bins - 1)
    members = [np.flatnonzero(of_bin == number) for number in range(n_bins)]
    bins = [_bin(scores[own], right[own]) for own in members if len(own)]
    return Calibration(task, retriever, len(scores), _auc(ranks[right], ranks[~right]), bins)


def _bin(scores: Floats, right: npt.NDArray[np.bool_]) -> Bin:
    from scipy.stats import binomtest

    ends = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return Bin(
        float(scores.min()), float(scores.max()), len(scores), float(right.mean()), float(ends.low), float(ends.high)
    )


def _auc(right: Floats, wrong: Floats) -> float | None:
    if not len(right) or not len(wrong):
        return None
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(right, wrong).statistic / (len(right) * len(wrong)))
