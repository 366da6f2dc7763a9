"""The batch plan: which data set and which records every step uses, as a pure function of (seed, step).

It does not depend on the number of devices, and step 1,000,000 costs no more to find than step 10, so that resuming is
a seek and any number of processes draws the same loss curve.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from embedder.errors import ConfigError
from embedder.training.permutation import permuted

_CYCLE = 1000  # steps after which every data set has had exactly its share


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """What a step takes of one data set."""

    step: int
    dataset: int
    """Position of the data set in the plan."""
    records: tuple[int, ...]
    """Positions of the records in the data set, one a query."""


@dataclass(frozen=True)
class BatchPlan:
    """Homogeneous batches: every step takes all its records from one data set; or mixed ones.

    Each cycle of steps gives every data set its exact share of them, spread evenly: the k-th of its n steps is drawn
    from the k-th of n equal parts of the cycle, so that a short run has the shares of a long one. The records of a data
    set follow each other in a new random order every epoch. Of mixed batches the same holds for queries in place of
    steps, so that a run sees as many queries of each data set in either way.

    >>> plan = BatchPlan(sizes=[4], weights=[1.0], batch_size=2, seed=0)
    >>> sorted(plan.batch(0).records + plan.batch(1).records)  # an epoch takes every record once
    [0, 1, 2, 3]

    Args:
        sizes: Number of records of each data set, none of them 0.
        weights: Share of the steps of each data set, on any scale; none is negative.
        batch_size: Queries of a global batch.
        seed: Another seed gives another plan.
        mixed: Whether a step draws its records over all data sets.
    """

    sizes: Sequence[int]
    weights: Sequence[float]
    batch_size: int
    seed: int
    mixed: bool = False

    def __post_init__(self) -> None:
        if not any(self.weights):
            raise ConfigError("task_mix weights", "numbers of at least 0, one of them above", list(self.weights))
        object.__setattr__(
            self, "_shares", _apportion(self.weights, max(_CYCLE, 10 * len(self.sizes)) if len(self.sizes) > 1 else 1)
        )

    def parts(self, step: int) -> tuple[PlannedBatch, ...]:
        """What a step, from 0, takes of each data set that it takes records of."""
        if not self.mixed:
            return (self.batch(step),)
        single = replace(self, batch_size=1, mixed=False)
        records: dict[int, tuple[int, ...]] = {}
        for query in range(step * self.batch_size, (step + 1) * self.batch_size):
            one = single.batch(query)
            records[one.dataset] = records.get(one.dataset, ()) + one.records
        return tuple(PlannedBatch(step, dataset, own) for dataset, own in sorted(records.items()))

    def batch(self, step: int) -> PlannedBatch:
        """The homogeneous batch of a step, from 0."""
        shares: tuple[int, ...] = self._shares  # type: ignore[attr-defined]  # set once in __post_init__
        cycle, index = divmod(step, sum(shares))
        order = _order(self.seed, cycle, shares)
        dataset = order[index]
        visits = cycle * shares[dataset] + order[:index].count(dataset)
        size = self.sizes[dataset]
        records = []
        for drawn in range(visits * self.batch_size, (visits + 1) * self.batch_size):
            epoch, position = divmod(drawn, size)
            records.append(permuted(position, size, seed=self.seed * 1_000_003 + dataset, epoch=epoch))
        return PlannedBatch(step, dataset, tuple(records))


@lru_cache(maxsize=8)  # a mixed step asks once for each of its queries
def _order(seed: int, cycle: int, shares: tuple[int, ...]) -> tuple[int, ...]:
    """The data set of each step of a cycle."""
    draw = random.Random(f"{seed}/{cycle}").random  # noqa: S311  # not for cryptography
    times = [((k + draw()) / n, dataset) for dataset, n in enumerate(shares) for k in range(n)]
    return tuple(dataset for _, dataset in sorted(times))


def _apportion(weights: Sequence[float], total: int) -> tuple[int, ...]:
    """Whole numbers that sum to `total`, as near to the weights as they can be (largest remainders), 1 at least."""
    exact = [weight / sum(weights) * total for weight in weights]
    shares = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (shares[i] - exact[i], i))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    for i, weight in enumerate(weights):
        if weight > 0 and not shares[i]:  # a small data set is trained on too
            shares[i] += 1
            shares[shares.index(max(shares))] -= 1
    return tuple(shares)
