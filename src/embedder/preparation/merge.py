"""`prepare.py action=merge`: one store out of several."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedder.errors import ConfigError
from embedder.llm.sample_store import SampleStore
from embedder.llm.score_store import ScoreStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MergeRun:
    """`prepare.py action=merge`: put all shards of the store, and those of other stores, into one without duplicates.

    Args:
        store: The store's directory.
        stores: Directories of further stores, such as those of other machines; they are only read.
    """

    store: str
    stores: Sequence[str] = ()

    def run(self) -> None:
        """Merge the log-likelihoods and the sampled outputs."""
        for other in self.stores:
            if not any((Path(other) / name).is_dir() for name in ("scores", "samples")):
                raise ConfigError("run.stores", "folders with scores/ or samples/ in them", other)
        for kind, name in ((ScoreStore, "scores"), (SampleStore, "samples")):
            others = [Path(other) / name for other in self.stores]
            merged = kind(Path(self.store) / name, read_only=[other for other in others if other.is_dir()])
            merged.compact()
            logger.info("%s", kind(Path(self.store) / name).describe())
