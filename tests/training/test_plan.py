import cProfile
import hashlib
from collections import Counter

import pytest

from embedder.training.permutation import permuted
from embedder.training.plan import BatchPlan


@pytest.mark.parametrize("n", [1, 2, 7, 64, 1000])
def test_every_item_comes_once_in_every_epoch(n):
    for epoch in range(3):
        assert sorted(permuted(position, n, seed=5, epoch=epoch) for position in range(n)) == list(range(n))


def test_seeds_and_epochs_give_other_orders_that_look_random():
    orders = {tuple(permuted(p, 50, seed, epoch) for p in range(50)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16
    first = Counter(permuted(0, 10, seed, 0) for seed in range(3000))
    assert min(first.values()) > 200  # 300 expected of each, standard deviation 16


def test_a_batch_is_homogeneous_and_an_epoch_complete():
    plan = BatchPlan(sizes=[40, 24], weights=[1.0, 1.0], batch_size=8, seed=0)
    seen = {0: Counter(), 1: Counter()}
    for step in range(400):
        batch = plan.batch(step)
        assert len(set(batch.records)) == 8  # sizes are multiples of 8: no batch spans two epochs
        seen[batch.dataset].update(batch.records)
    for dataset, size in ((0, 40), (1, 24)):
        assert set(seen[dataset]) == set(range(size))
        assert max(seen[dataset].values()) - min(seen[dataset].values()) <= 1


def test_shares_are_exact_in_a_cycle():
    plan = BatchPlan(sizes=[5, 5, 5], weights=[2.0, 1.0, 0.0], batch_size=1, seed=3)
    assert Counter(plan.batch(step).dataset for step in range(1000)) == {0: 667, 1: 333}


def test_short_runs_have_the_shares_of_long_ones():
    for seed in range(20):
        plan = BatchPlan(sizes=[5, 5, 5], weights=[7.0, 2.0, 1.0], batch_size=1, seed=seed)
        counts = Counter()
        for step in range(100):
            counts[plan.batch(step).dataset] += 1
            for dataset, share in ((0, 0.7), (1, 0.2), (2, 0.1)):
                assert abs(counts[dataset] - share * (step + 1)) < 3, (seed, step)  # three data sets


def test_the_order_inside_each_part_of_a_cycle_is_random():
    orders = {
        tuple(BatchPlan([5, 5], [1.0, 1.0], batch_size=1, seed=seed).batch(step).dataset for step in range(8))
        for seed in range(200)
    }
    assert len(orders) == 2**4  # two equal data sets: either one is first in each pair of steps


def test_seeking_far_costs_no_more_than_near():
    plan = BatchPlan(sizes=[1_000_003, 10], weights=[3.0, 1.0], batch_size=16, seed=0)
    near = min(_calls(plan, step) for step in range(10, 20))
    far = min(_calls(plan, step) for step in range(1_000_000, 1_000_010))
    assert far < 2 * near


def _calls(plan, step):
    """Functions called for a batch: a cost that no busy machine changes."""
    profile = cProfile.Profile()
    profile.runcall(plan.batch, step)
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize(("mixed", "digest"), [(False, "07044c8df0e15ab2"), (True, "9b7474e341d23d91")])
def test_batches_stay_what_they_are(mixed, digest):
    plan = BatchPlan([1003, 40, 7], [5.0, 2.0, 1.0], 16, 3, mixed)
    steps = [[(p.step, p.dataset, p.records) for p in plan.parts(s)] for s in (*range(30), 999, 1000, 123456)]
    assert hashlib.sha256(repr(steps).encode()).hexdigest()[:16] == digest


def test_a_mixed_step_orders_its_cycle_once():
    plan = BatchPlan(sizes=[50, 50], weights=[1.0, 1.0], batch_size=500, seed=77, mixed=True)
    profile = cProfile.Profile()
    profile.runcall(plan.parts, 0)
    sorts = [entry for entry in profile.getstats() if "sorted" in str(entry.code)]
    assert sum(entry.callcount for entry in sorts) <= 3  # shares, the cycle, the parts of the step


def test_a_small_data_set_is_trained_on_too():
    plan = BatchPlan(sizes=[500_000, 150, 2000], weights=[0.9997, 0.0003, 2.0], batch_size=1, seed=0)
    shares = Counter(plan.batch(step).dataset for step in range(1000))
    assert shares == {0: 333, 1: 1, 2: 666}
