"""The negatives of the training records of a data set, found with an encoder among the keys of its corpus."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from embedder.candidates.candidates import Candidates
from embedder.candidates.filters import HoldsAnswer
from embedder.candidates.finder import CandidateFinder
from embedder.candidates.proposers import DenseProposer
from embedder.data.corpus import Corpus
from embedder.data.prepared import PreparedDataset
from embedder.data.queries import Queries
from embedder.errors import ConfigError
from embedder.training.fresh_negatives import FreshNegatives
from embedder.training.gather import Share
from embedder.types import Encoder, IntArray, Record, TaskSides, VectorIndex

logger = logging.getLogger(__name__)

_CHUNK = 10_000  # queries held in memory together


@dataclass(frozen=True)
class MinedDataset:
    """A data set that gets new negatives.

    Args:
        index: Among the data sets of the run.
        dataset: Its records.
        corpus: Where the keys are.
        queries: One for each training record, in their order.
    """

    index: int
    dataset: PreparedDataset
    corpus: Corpus
    queries: Queries

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
        return cls(index, dataset, dataset.corpus(), queries)

    @property
    def name(self) -> str:
        """As in the log."""
        return f"{self.dataset.task}/{self.dataset.name}"

    def n_changed(self, table: IntArray, share: Share, before: FreshNegatives | None) -> int:
        """How many negatives the records of a share did not have before.

        Args:
            table: Of the share, as `Miner.mine` returns it.
            share: The process's part of the records.
            before: What was trained on so far; None for the negatives of the records themselves.
        """
        records = self.dataset.records("train")
        changed = 0
        for row, position in zip(table, share(len(self.queries)), strict=True):
            old = before.positions(position) if before is not None else self._positions(records[position])
            changed += len(set(row[row >= 0].tolist()) - set(old))
        return changed

    def _positions(self, record: Record) -> list[int]:
        return [self.corpus.position(key.id) for key in record.negatives]


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

    def mine(self, mined: MinedDataset, sides: TaskSides, encoder: Encoder, share: Share) -> IntArray:
        """Positions in the corpus of the negatives of a share of the records, -1 where there are fewer, [R, N]."""
        finder = CandidateFinder(
            self.candidates, [DenseProposer(encoder, self.new_index, sides)], mined.corpus, self.holds_answer
        )
        own = share(len(mined.queries))
        table = np.full((len(own), self.candidates.n - 1), -1, np.int64)
        for start in range(0, len(own), _CHUNK):
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
