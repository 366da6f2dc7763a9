"""Statistics of the rewards of prepared records, in one pass and in memory that does not grow with them."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from embedder.data.records import Records
from embedder.errors import EmbedderError
from embedder.rewards.distribution import Distribution
from embedder.rewards.label_report import LabelReport, warnings_of
from embedder.rewards.labelled_rows import LabelledRow, labelled_rows

_FLAT = 0.05  # others hardly differ: their spread is at most this share of the positive's lead over the worst of them


class LabelStatistics:
    """Collects a `LabelReport` row by row, in memory that does not grow with the rows."""

    def __init__(self) -> None:
        self._values = Distribution()
        self._counts = Counter[str]()  # of each field that is a mean
        self._totals: dict[str, float] = defaultdict(float)

    def add(self, row: LabelledRow) -> None:
        """Count one query."""
        rewards = row.rewards
        best = max(rewards)
        for reward in rewards:
            self._values.add(reward)
            self._add("harmful", reward < 0)
        self._add("all_harmful", best < 0)
        if len(rewards) > 1:
            first, second = sorted(rewards, reverse=True)[:2]
            self._add("mean_gap", first - second)
            self._add("all_tie", first == min(rewards))
            self._add("best_shared", first == second)
            ranked = [
                (rank, k)
                for k, (rank, source) in enumerate(zip(row.ranks, row.sources, strict=True))
                if source in ("bm25", "gold") and rank is not None
            ]
            if ranked:
                lexical = rewards[min(ranked)[1]]
                self._add("bm25_is_best", lexical == first > second)
                self._add("bm25_shares_best", lexical == first)
        positives = [reward for reward, labelled in zip(rewards, row.is_positive, strict=True) if labelled]
        others = [reward for reward, labelled in zip(rewards, row.is_positive, strict=True) if not labelled]
        for reward in positives:
            self._add("positive_harmful", reward < 0)
        if positives and others:
            self._add_contested(positives, others)

    def _add_contested(self, positives: list[float], others: list[float]) -> None:
        wins = [1.0 if ours > other else 0.5 * (ours == other) for ours in positives for other in others]
        self._add("auc", sum(wins) / len(wins))
        self._add("positive_is_best", max(positives) > max(others))
        self._add("positive_shares_best", max(positives) >= max(others))
        for reward in positives:
            self._add("mean_positive", reward)
        for reward in others:
            self._add("mean_other", reward)
        if len(others) > 1:
            lead = max(positives) - min(others)
            self._add("others_flat", max(others) - min(others) <= _FLAT * max(lead, 0.0))

    def report(self) -> LabelReport:
        """The numbers of all rows so far.

        Raises:
            EmbedderError: There was no row.
        """
        if not self._values.count:
            raise EmbedderError("there are no rewards to report on: the records have no 'teacher_scores'")
        facts: dict[str, Any] = {
            "n_queries": self._counts["all_harmful"],
            "n_candidates": self._values.count,
            "n_positives": self._counts["positive_harmful"],
            "n_compared": self._counts["all_tie"],
            "n_contested": self._counts["auc"],
            "n_bm25": self._counts["bm25_is_best"],
            "mean": self._values.mean,
            "quantiles": self._values.quantiles(),
            "resolution": self._values.step,
            "histogram": self._values.histogram(),
            "warnings": (),
        }
        names = [field.name for field in dataclasses.fields(LabelReport) if field.name not in facts]
        means: dict[str, Any] = {name: self._totals[name] / n if (n := self._counts[name]) else None for name in names}
        report = LabelReport(**facts, **means)
        return dataclasses.replace(report, warnings=warnings_of(report))

    def _add(self, name: str, value: float) -> None:
        self._counts[name] += 1
        self._totals[name] += value


def label_report(records: Records) -> LabelReport:
    """The report of some records.

    Raises:
        DataError: A row is not a record, belongs to another task, or has no rewards.
    """
    return report_of(labelled_rows(records))


def report_of(rows: Iterable[LabelledRow]) -> LabelReport:
    """The report of some rows, each read once.

    Raises:
        EmbedderError: There are none.
    """
    statistics = LabelStatistics()
    for row in rows:
        statistics.add(row)
    return statistics.report()
