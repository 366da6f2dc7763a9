"""The negatives of the training records of a data set, found with an encoder among the keys of its corpus."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from embedder.candidates.candidates import Candidates
from embedder.candidates.filters import HoldsAnswer
from embedder.candidates.finder import CandidateFinder
from embedder.candidates.proposers import DenseProposer
from embedder.data.corpus import Corpus
from embedder.data.prepared import PreparedDataset
from embedder.data.queries import Queries
from embedder.data.records import Records
from embedder.errors import ConfigError
from embedder.training.fresh_negatives import FreshNegatives
from embedder.types import CorpusEncoder, IntArray, Key, Record, TaskSides, VectorIndex

logger = logging.getLogger(__name__)

ShareOf = Callable[[int], range]
"""Which of so many records are a process's."""
_CHUNK = 10_000  # queries held in memory together


@dataclass(frozen=True)
class MinedDataset:
    """A data set that gets new negatives.

    Args:
        index: Among the data sets of the run.
        dataset: Its records.
        corpus: Where the keys are.
        queries: One for each training record, in their order.
        records: These records.
    """

    index: int
    dataset: PreparedDataset
    corpus: Corpus
    queries: Queries
    records: Records

    @classmethod
    def of(cls, index: int, dataset: PreparedDataset) -> "MinedDataset":
        """From a prepared data set.

        Raises:
            ConfigError: It does not say which keys a query may be compared with.
        """
        queries = dataset.train_queries()
        if queries is None:
            expected = "corpus or world: published records do not say which keys a query may be compared with"
            raise ConfigError("source", f"{expected} (callbacks.reindex)", str(dataset.directory))
        records = dataset.records("train")
        if len(records) != len(queries):
            raise ConfigError("callbacks.reindex", f"queries of {len(records)} records in {queries.path}", len(queries))
        return cls(index, dataset, dataset.corpus, queries, records)

    @property
    def name(self) -> str:
        """As in the log."""
        return f"{self.dataset.task}/{self.dataset.name}"

    def record(self, position: int, before: FreshNegatives | None) -> Record:
        """A training record as it is trained on so far.

        Args:
            position: Of the record.
            before: The negatives that take the place of its own; None for its own.
        """
        record = self.records[position]
        return record if before is None else before.of(position, record)

    def positions(self, keys: Iterable[Key]) -> set[int]:
        """Positions of some keys in the corpus."""
        return {self.corpus.position(key.id) for key in keys}

    def n_changed(self, table: IntArray, share: ShareOf, before: FreshNegatives | None) -> int:
        """How many negatives the records of a share did not have before.

        Args:
            table: Positions of the share's negatives.
            share: The process's part of the records.
            before: As for `record`.
        """
        rows = zip(table, share(len(self.queries)), strict=True)
        return sum(
            len(set(row[row >= 0].tolist()) - self.positions(self.record(position, before).negatives))
            for row, position in rows
        )


@dataclass(frozen=True)
class Miner:
    """Finds negatives.

    Args:
        candidates: How they are proposed. Gold keys count among its `n`.
        new_index: Makes an empty index.
        holds_answer: Tells whether a text contains an answer.
    """

    candidates: Candidates
    new_index: Callable[[], VectorIndex]
    holds_answer: HoldsAnswer

    def mine(self, mined: MinedDataset, sides: TaskSides, encoder: CorpusEncoder, share: ShareOf) -> IntArray:
        """Positions in the corpus of the negatives of a share of the records, -1 where there are fewer, [S, N].

        A record without a gold key has as many negatives as there are candidates.
        """
        finder = CandidateFinder(
            self.candidates, [DenseProposer(encoder, self.new_index, sides)], mined.corpus, self.holds_answer
        )
        own = share(len(mined.queries))
        table = np.full((len(own), self.candidates.n), -1, np.int64)
        for start in range(0, max(1, len(own)), _CHUNK):  # without records too, since all processes encode the corpus
            positions = own[start : start + _CHUNK]
            proposed = finder.propose([mined.queries[position] for position in positions])
            for row, candidates in enumerate(proposed, start):
                keys = [candidate.key.id for candidate in candidates if candidate.source != "gold"]
                # In rising order: a near tie that falls the other way on another machine changes nothing.
                table[row, : len(keys)] = sorted(map(mined.corpus.position, keys))
        if finder.dropped:
            logger.info(
                "%s: candidates skipped by filters for %d queries: %s", mined.name, len(own), dict(finder.dropped)
            )
        return table
