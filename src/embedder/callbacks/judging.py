"""New candidates of training records are judged by the LLM, as far as a refresh may have it read."""

import logging
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from embedder.callbacks.mining import MinedDataset
from embedder.processes import TOGETHER
from embedder.texts import normal_form
from embedder.training.fresh_negatives import KEPT, FreshNegatives, NegativeTable
from embedder.training.permutation import permuted
from embedder.training.shared_work import SharedWork
from embedder.types import Candidate, FloatArray, IntArray, Query, Record

logger = logging.getLogger(__name__)

BoolArray = np.ndarray[tuple[int], np.dtype[np.bool_]]
_CHUNK = 125 * TOGETHER  # records held in memory together


class CandidateJudge(Protocol):
    """Rewards of new candidates, on the scale of those that the records have."""

    min_gap: float
    """Rewards of a record that differ by less teach nothing."""
    repeated: Set[str]
    """Ids of the queries whose text an earlier query has: the store has most of their prompts then."""

    def __call__(
        self,
        proposed: Sequence[tuple[Query, tuple[Candidate, ...]]],
        own_negatives: Sequence[Sequence[str]],
        blocks: Sequence[int],
    ) -> list[tuple[float, ...]]:
        """One reward for each candidate of each query; see `RecordJudge`."""

    def tokens(self, query: Query, texts: Sequence[str]) -> int:
        """About how many tokens the prompts of a query with each of some keys have, whatever is stored."""

    @property
    def tokens_run(self) -> int:
        """Tokens that the LLM has run so far."""

    def release(self) -> None:
        """Give back the memory of the LLM until it is asked again."""


@dataclass(frozen=True)
class Judging:
    """The records of a data set at a refresh.

    Of the earlier candidates of a record those that are labelled stay, and the one with the highest reward: it may be
    the only one that helps the LLM, and the encoder may not find it.

    Args:
        part: The data set.
        before: Its negatives so far; None for those of the records themselves.
        judge: Asks the LLM.
        shared: Each process judges its share of the records.
        llm_tokens: How many tokens the prompts with new candidates may have; None for no limit. They are counted as if
            nothing were stored, so that a run that is repeated or resumed judges the same records.
        seed: Of the order in which records are judged while there are tokens.
        step: Of the same.
    """

    part: MinedDataset
    before: FreshNegatives | None
    judge: CandidateJudge
    shared: SharedWork
    llm_tokens: int | None
    seed: int
    step: int

    def table(self, found: IntArray) -> tuple[NegativeTable, dict[str, int]]:
        """The share of the process of the table that will be trained on.

        Args:
            found: Positions of the new negatives of the share, -1 where there are fewer, [S, N].

        Returns:
            The table of the share with N + 1 columns, and how many of its records or keys went which way.
        """
        own = self.shared.share(len(self.part.queries))
        rows: IntArray = np.pad(found, ((0, 0), (0, 1)), constant_values=-1)
        facts = np.zeros((len(own), 3), np.int64)  # has rewards, positives, tokens of new candidates
        for row, position in enumerate(own):
            record, new = self.part.record(position, self.before), _filled(found[row])
            if record.rewards is not None:
                new = self._with_best(record, new)
            rows[row] = _row(new, rows.shape[1])
            facts[row] = record.rewards is not None, len(record.positives), self._tokens(position, record, new)
        all_facts = self.shared.gather(facts, len(self.part.queries))
        within = self._within(all_facts)[list(own)]
        judged, most_positives = facts[:, 0] > 0, int(all_facts[:, 1].max())
        rewards: FloatArray = np.full((len(own), most_positives + rows.shape[1]), np.nan, np.float32)
        counts = {"judged": int((judged & within).sum()), "beyond": int((judged & ~within).sum())}
        counts |= {"flat": 0, "above_gold": 0}
        kept = judged & ~within
        for row, record, values in self._in_turn(own, rows, judged & within):
            if max(values) - min(values) < self.judge.min_gap:
                kept[row] = True
                counts["flat"] += 1
                continue
            n = len(record.positives)
            rewards[row, :n] = values[:n]
            rewards[row, most_positives : most_positives + len(values) - n] = values[n:]
            counts["above_gold"] += self._above_gold(record, _filled(rows[row]), values)
        for row in np.flatnonzero(kept).tolist():
            if self.before is None:
                rows[row] = _row([KEPT], rows.shape[1])
            else:
                rows[row], rewards[row] = self.before.rows(own[row])
        return NegativeTable(rows, rewards), counts

    def _in_turn(
        self, own: range, rows: IntArray, chosen: BoolArray
    ) -> Iterator[tuple[int, Record, tuple[float, ...]]]:
        """As `_judged`, with repeated texts last: whichever process has which of them, the LLM is asked once.

        Once the first ones of all texts are judged, the first process asks for what the others lack, in the order of
        the records, so that the calls are the same ones in any number of processes.
        """
        if not self.judge.repeated:
            yield from self._judged(own, rows, np.flatnonzero(chosen))
            return
        n = len(self.part.queries)
        repeated = np.array([self.part.queries[position].id in self.judge.repeated for position in own], np.bool_)
        yield from self._judged(own, rows, np.flatnonzero(chosen & ~repeated))
        all_rows, left = self.shared.gather(rows, n), self.shared.gather((chosen & repeated).astype(np.int8), n)
        self.shared.wait()
        if self.shared.processes.is_first:
            for _ in self._judged(range(n), all_rows, np.flatnonzero(left)):
                pass  # into the store, where every process finds its own
        self.shared.wait()
        yield from self._judged(own, rows, np.flatnonzero(chosen & repeated))

    def _judged(self, own: range, rows: IntArray, chosen: IntArray) -> Iterator[tuple[int, Record, tuple[float, ...]]]:
        """Each chosen record as it was, with the rewards of its positives and of its new negatives."""
        for start in range(0, len(own), _CHUNK):
            some = chosen[(chosen >= start) & (chosen < start + _CHUNK)].tolist()
            records = [self.part.record(own[row], self.before) for row in some]
            proposed = [
                (self.part.queries[own[row]], self._candidates(record, _filled(rows[row])))
                for row, record in zip(some, records, strict=True)
            ]
            own_negatives = [self.part.records.row(own[row]).texts("neg") for row in some]
            # By position, so that the calls are the same ones in any number of processes.
            blocks = [own[row] // TOGETHER for row in some]
            yield from zip(some, records, self.judge(proposed, own_negatives, blocks), strict=True)

    def _candidates(self, record: Record, new: Sequence[int]) -> tuple[Candidate, ...]:
        found = (self.part.corpus[position] for position in new)
        return (*(Candidate(key, "gold") for key in record.positives), *(Candidate(key, "dense") for key in found))

    def _with_best(self, record: Record, new: list[int]) -> list[int]:
        """New negatives and the earlier one with the highest reward, unless a labelled key has it."""
        rewards = record.rewards or (0.0,)
        best = rewards.index(max(rewards)) - len(record.positives)
        if best < 0:
            return new
        key = record.negatives[best]
        if normal_form(key.text) in {normal_form(self.part.corpus[position].text) for position in new}:
            return new
        return sorted([*new, self.part.corpus.position(key.id)])

    def _tokens(self, position: int, record: Record, new: Sequence[int]) -> int:
        if self.llm_tokens is None or record.rewards is None:
            return 0
        unknown = set(new) - self.part.positions(record.negatives)
        return self.judge.tokens(self.part.queries[position], [self.part.corpus[p].text for p in sorted(unknown)])

    def _within(self, facts: IntArray) -> BoolArray:
        """Which records the tokens last for, in an order that the seed and the step draw."""
        n = len(facts)
        if self.llm_tokens is None:
            return np.ones(n, np.bool_)
        order = [permuted(k, n, self.seed, self.step) for k in range(n)]
        within = np.zeros(n, np.bool_)
        within[order] = np.cumsum(facts[order, 2]) <= self.llm_tokens
        return within

    def _above_gold(self, record: Record, new: Sequence[int], values: Sequence[float]) -> int:
        """How many keys that are new to a record help the LLM more than each of its labelled keys does."""
        n, known = len(record.positives), self.part.positions(record.negatives)
        if not n:
            return 0
        return sum(
            value > max(values[:n]) and position not in known for position, value in zip(new, values[n:], strict=True)
        )


def _filled(row: IntArray) -> list[int]:
    positions: list[int] = row[row >= 0].tolist()
    return positions


def _row(positions: Sequence[int], width: int) -> IntArray:
    row: IntArray = np.full(width, -1, np.int64)
    row[: len(positions)] = positions
    return row
