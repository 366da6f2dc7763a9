"""The prepared data set: what `prepare.py` leaves on disk and `train.py` reads."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.data.records import Records
from embedder.data.reward_column import RewardColumn
from embedder.errors import DataError
from embedder.types import Query


@dataclass(frozen=True)
class PreparedDataset:
    """A folder of records with a manifest.

    `train.jsonl` and `validation.jsonl` hold records, `train.queries.jsonl` and `queries.jsonl` their queries;
    `manifest.json`, written last, names everything that the records depend on.

    Args:
        task: Name of the task.
        name: Of the data set.
        directory: The folder.
        corpus_path: The corpus that validation retrieves from, wherever the user keeps it now.
        rewards: The folder with the rewards of the records; None where the records have none, or bring them along.
    """

    task: str
    name: str
    directory: Path
    corpus_path: Path
    rewards: Path | None = None

    @property
    def is_complete(self) -> bool:
        """Whether preparation got to its end."""
        return (self.directory / "manifest.json").is_file()

    def manifest(self) -> dict[str, Any]:
        """What the records were made from."""
        path = self.directory / "manifest.json"
        if not path.is_file():
            raise DataError(self.directory, None, "not prepared yet (no manifest.json): run prepare.py first")
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return manifest

    def records(self, split: str) -> Records:
        """The records of `train` or `validation`, without those that `min_reward_gap` leaves out."""
        if self.rewards is None:
            return Records(self.directory / f"{split}.jsonl", self.task)
        column = RewardColumn(self.rewards / f"{split}.npy")
        kept = self.rewards / f"{split}.kept.npy"
        return Records(self.directory / f"{split}.jsonl", self.task, column, kept if kept.is_file() else None)

    def protocol(self) -> dict[str, Any]:
        """Everything that records and rewards depend on."""
        protocol: dict[str, Any] = self.manifest()["protocol"]
        if self.rewards is None:
            return protocol
        reward: dict[str, Any] = json.loads((self.rewards / "reward.json").read_text(encoding="utf-8"))
        return protocol | reward

    def corpus(self) -> Corpus:
        """The corpus that validation retrieves from."""
        return self._corpus

    @cached_property
    def _corpus(self) -> Corpus:
        """Read once, since that takes long where there are many keys."""
        return Corpus(self.corpus_path)

    def train_queries(self) -> Queries | None:
        """The queries of the training records, line by line; None for published records, which do not tell them."""
        path = self.directory / "train.queries.jsonl"
        return Queries(path) if path.is_file() else None

    def validation_queries(self) -> list[Query]:
        """The queries held out from training, with their gold keys."""
        return list(Queries(self.directory / "queries.jsonl"))
