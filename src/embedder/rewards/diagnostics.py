"""Statistics of the rewards of prepared records, in one pass and in memory that does not grow with them."""

import dataclasses
from collections.abc import Iterable

from embedder.data.records import Records
from embedder.errors import EmbedderError
from embedder.rewards.distribution import Distribution
from embedder.rewards.label_report import LabelReport, warnings_of
from embedder.rewards.labelled_rows import LabelledRow, labelled_rows

_FLAT = 0.05  # others hardly differ: their spread is at most this share of the positive's lead over the worst of them

_MEANS = (  # fields of the report that are means, each over what its docstring says
    "mean_gap",
    "all_tie",
    "best_shared",
    "harmful",
    "all_harmful",
    "positive_is_best",
    "positive_shares_best",
    "auc",
    "mean_positive",
    "mean_other",
    "others_flat",
    "positive_harmful",
    "bm25_is_best",
    "bm25_shares_best",
)


class LabelStatistics:
    """Collects a `LabelReport` row by row, in memory that does not grow with the rows."""

    def __init__(self) -> None:
        self._values = Distribution()
        self._means = {name: _Mean() for name in _MEANS}

    def add(self, row: LabelledRow) -> None:
        """Count one query."""
        means, rewards = self._means, row.rewards
        best = max(rewards)
        for reward in rewards:
            self._values.add(reward)
            means["harmful"].add(reward < 0)
        means["all_harmful"].add(best < 0)
        if len(rewards) > 1:
            first, second = sorted(rewards, reverse=True)[:2]
            means["mean_gap"].add(first - second)
            means["all_tie"].add(first == min(rewards))
            means["best_shared"].add(first == second)
            ranked = [
                (rank, k)
                for k, (rank, source) in enumerate(zip(row.ranks, row.sources, strict=True))
                if source in ("bm25", "gold") and rank is not None
            ]
            if ranked:
                lexical = rewards[min(ranked)[1]]
                means["bm25_is_best"].add(lexical == first > second)
                means["bm25_shares_best"].add(lexical == first)
        positives = [reward for reward, labelled in zip(rewards, row.is_positive, strict=True) if labelled]
        others = [reward for reward, labelled in zip(rewards, row.is_positive, strict=True) if not labelled]
        for reward in positives:
            means["positive_harmful"].add(reward < 0)
        if positives and others:
            self._add_contested(positives, others)

    def _add_contested(self, positives: list[float], others: list[float]) -> None:
        means = self._means
        wins = [1.0 if ours > other else 0.5 * (ours == other) for ours in positives for other in others]
        means["auc"].add(sum(wins) / len(wins))
        means["positive_is_best"].add(max(positives) > max(others))
        means["positive_shares_best"].add(max(positives) >= max(others))
        for reward in positives:
            means["mean_positive"].add(reward)
        for reward in others:
            means["mean_other"].add(reward)
        if len(others) > 1:
            lead = max(positives) - min(others)
            means["others_flat"].add(max(others) - min(others) <= _FLAT * max(lead, 0.0))

    def report(self) -> LabelReport:
        """The numbers of all rows so far.

        Raises:
            EmbedderError: There was no row.
        """
        if not self._values.count:
            raise EmbedderError("there are no rewards to report on: the records have no 'teacher_scores'")
        means = {name: mean.value for name, mean in self._means.items()}
        report = LabelReport(
            n_queries=self._means["all_harmful"].count,
            n_candidates=self._values.count,
            n_positives=self._means["positive_harmful"].count,
            n_compared=self._means["all_tie"].count,
            n_contested=self._means["auc"].count,
            n_bm25=self._means["bm25_is_best"].count,
            mean=self._values.mean,
            quantiles=self._values.quantiles(),
            resolution=self._values.step,
            histogram=self._values.histogram(),
            warnings=(),
            **means,  # type: ignore[arg-type]  # harmful and all_harmful are numbers wherever there is a row
        )
        return dataclasses.replace(report, warnings=warnings_of(report))


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


class _Mean:
    """A running mean."""

    def __init__(self) -> None:
        self.count = 0
        self._total = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        self._total += value

    @property
    def value(self) -> float | None:
        return self._total / self.count if self.count else None
