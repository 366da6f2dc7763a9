"""The prepared data set: what `prepare.py` leaves on disk and `train.py` reads."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from embedder.data.corpus import Corpus
from embedder.data.known_positives import KnownPositives
from embedder.data.queries import Queries, question_of
from embedder.data.records import Records
from embedder.data.reward_column import RewardColumn
from embedder.digests import damage
from embedder.errors import DataError
from embedder.started import command
from embedder.types import IntArray, Query

QUESTIONS = "train.questions.npy"
"""`question_of` each line of `train.jsonl`."""
KEPT = "train.kept.npy"
"""Beside rewards: the lines of `train.jsonl` that `min_reward_gap` leaves."""
LABELLED = "train.labelled.npy"
"""Whether each line of `train.jsonl` has a labelled key; beside records that we prepare."""
KNOWN_POSITIVES = "positives.npy"
"""See `KnownPositives`."""


@dataclass(frozen=True)
class PreparedDataset:
    """A folder of records with a manifest.

    `train.jsonl` and `validation.jsonl` hold records, `train.queries.jsonl` and `queries.jsonl` their queries;
    `train.questions.npy` has a hash of the question of each line, and `positives.npy`, for published records, the
    positives of queries that stand on several lines; `manifest.json`, written last, names everything that the records
    depend on.

    Args:
        task: Name of the task.
        name: Of the data set.
        directory: The folder.
        corpus_path: The corpus that validation retrieves from, wherever the user keeps it now.
        rewards: The folder with the rewards of the records; None where the records have none, or bring them along.
        held_out: Questions of the validation queries of the run's other data sets: records that ask them are left out.
    """

    task: str
    name: str
    directory: Path
    corpus_path: Path
    rewards: Path | None = None
    held_out: frozenset[int] = frozenset()

    @property
    def is_complete(self) -> bool:
        """Whether preparation was completed."""
        return self.directory.is_dir()

    def manifest(self) -> dict[str, Any]:
        """What the records were made from."""
        if not self.is_complete:
            raise DataError(self.directory, None, f"not prepared yet: run {command('prepare')} first")
        manifest: dict[str, Any] = json.loads((self.directory / "manifest.json").read_text(encoding="utf-8"))
        return manifest

    def check(self) -> None:
        """Compare every file with its digest.

        Raises:
            DataError: One of them was damaged since it was written.
        """
        if (wrong := damage(self.directory)) is not None:
            advice = f"delete this folder and run {command('prepare')} again; what the LLM said is in the store"
            raise DataError(self.directory, None, f"{wrong}: {advice}")

    def records(self, split: str) -> Records:
        """The records of `train` or `validation`: of `train` without those that `kept` leaves out."""
        column = None if self.rewards is None else RewardColumn(self.rewards / f"{split}.npy")
        known = self.directory / KNOWN_POSITIVES
        return Records(
            self.directory / f"{split}.jsonl",
            self.task,
            column,
            self.kept if split == "train" else None,
            KnownPositives(known) if known.is_file() else None,
        )

    @cached_property
    def kept(self) -> IntArray | None:
        """The lines of `train.jsonl` that are trained on, in rising order; None for all of them.

        It leaves out those that have nothing but rewards below `min_reward_gap`, and those that ask what another data
        set of the run validates on.
        """
        path = None if self.rewards is None else self.rewards / KEPT
        kept: IntArray | None = np.load(path) if path is not None and path.is_file() else None
        leaked = self.leaked
        if not len(leaked):
            return kept
        n = len(np.load(self.directory / QUESTIONS, mmap_mode="r"))
        return np.setdiff1d(np.arange(n) if kept is None else kept, leaked, assume_unique=True)

    @cached_property
    def leaked(self) -> IntArray:
        """The lines of `train.jsonl` that ask what another data set of the run validates on."""
        if not self.held_out:
            return np.empty(0, np.int64)
        questions = np.load(self.directory / QUESTIONS, mmap_mode="r")
        return np.flatnonzero(np.isin(questions, np.array(sorted(self.held_out), np.int64)))

    def questions_held_out(self) -> frozenset[int]:
        """The questions of its validation queries, as `question_of` has them."""
        return frozenset(map(question_of, self.validation_queries()))

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus that validation retrieves from: read once, since that takes long where there are many keys."""
        return Corpus(self.corpus_path)

    def train_queries(self) -> Queries | None:
        """The queries of the training records, one for each; None for published records, which lack them."""
        path = self.directory / "train.queries.jsonl"
        return Queries(path, kept=self.kept) if path.is_file() else None

    def validation_queries(self) -> list[Query]:
        """The validation queries, with their gold keys."""
        return list(Queries(self.directory / "queries.jsonl"))
