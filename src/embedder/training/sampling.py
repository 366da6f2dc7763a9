"""From a stored record to the group of keys that a step compares for its query."""

import random
from dataclasses import dataclass

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.types import Key, Record


@dataclass(frozen=True, slots=True)
class Group:
    """One query and the keys that are compared for it."""

    query_id: str
    query: str
    keys: tuple[Key, ...]
    is_positive: tuple[bool, ...]
    rewards: tuple[float, ...] | None
    known_positives: tuple[int, ...]
    """`text_hash` of all labelled positives of the query, in the group or not: never its negatives."""


@checked("task.sampling")
@dataclass(frozen=True)
class Sampling:
    """How groups are drawn.

    Args:
        group_size: Keys of a group (N); a record with fewer gives a smaller group.
        positives: How many labelled positives go in at most.
    """

    group_size: PositiveInt = 8
    positives: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.positives <= self.group_size:
            raise ConfigError("task.sampling.positives", f"1 to {self.group_size} (group_size)", self.positives)


def sample_group(record: Record, sampling: Sampling, generator: random.Random) -> Group:
    """Draw positives and negatives without repetition; positives come first.

    Args:
        record: The stored row.
        sampling: How many of each.
        generator: The only source of chance.
    """
    n_positive = len(record.positives)
    keys = record.positives + record.negatives
    positives = generator.sample(range(n_positive), min(sampling.positives, n_positive))
    room = sampling.group_size - len(positives)
    negatives = generator.sample(range(n_positive, len(keys)), min(room, len(keys) - n_positive))
    chosen = positives + sorted(negatives)
    return Group(
        query_id=record.id,
        query=record.query,
        keys=tuple(keys[i] for i in chosen),
        is_positive=tuple(i < n_positive for i in chosen),
        rewards=None if record.rewards is None else tuple(record.rewards[i] for i in chosen),
        known_positives=record.known_positives,
    )
