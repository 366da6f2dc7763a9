"""Collect what the rewards of prepared records teach, in one pass and in memory that does not grow with them."""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from embedder.data.fields import Row
from embedder.data.records import Records, parse_record
from embedder.errors import EmbedderError
from embedder.rewards.distribution import Distribution
from embedder.rewards.label_report import LabelReport, warnings_of

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


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """The rewards of one query's candidates, and what was known about each candidate before.

    Args:
        rewards: Larger is better, at least one.
        is_positive: Whether the candidate is labelled as relevant.
        sources: Who proposed it, None where that is not known.
        ranks: Its rank in the ranking of the source, from 1; None where that is not known.

    Raises:
        ValueError: There is no reward, one is not finite, or the lists differ in length.
    """

    rewards: tuple[float, ...]
    is_positive: tuple[bool, ...]
    sources: tuple[str | None, ...]
    ranks: tuple[int | None, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.rewards), len(self.is_positive), len(self.sources), len(self.ranks)}
        if len(lengths) > 1:
            raise ValueError(f"rewards, is_positive, sources and ranks differ in length: {sorted(lengths)}")
        if not self.rewards:
            raise ValueError("a row without rewards cannot be reported on")
        if not all(map(math.isfinite, self.rewards)):
            raise ValueError(f"a reward is not a finite number: {self.rewards}")


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
    """The report of some rows, each looked at once.

    Raises:
        EmbedderError: There are none.
    """
    statistics = LabelStatistics()
    for row in rows:
        statistics.add(row)
    return statistics.report()


def labelled_rows(records: Records) -> Iterator[LabelledRow]:
    """The rewards of each record; sources and ranks are None in a file without `pos_source`, `neg_source`.

    Raises:
        DataError: A row is not a record, belongs to another task, or has no rewards.
    """
    for position in range(len(records)):
        row = records.row(position)
        record = parse_record(row, records.task)
        if record.rewards is None:
            raise row.error("has no 'teacher_scores': this file was prepared without an LLM, so there is no reward")
        n_positives, n_negatives = len(record.positives), len(record.negatives)
        proposed = [
            *_sources(row, "pos_source", n_positives),
            *_sources(row, "neg_source", n_negatives),
        ]
        yield LabelledRow(
            rewards=record.rewards,
            is_positive=(True,) * n_positives + (False,) * n_negatives,
            sources=tuple(source for source, _, _ in proposed),
            ranks=tuple(rank for _, rank, _ in proposed),
        )


def _sources(row: Row, field: str, n: int) -> list[Any]:
    sources = row.items(field) or [[None, None, None]] * n
    if len(sources) != n or not all(map(_is_source, sources)):
        raise row.error(f"field {field!r}: expected [source, rank, score] for each of {n} keys")
    return sources


def _is_source(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str | None)
        and isinstance(value[1], int | None)
    )


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
