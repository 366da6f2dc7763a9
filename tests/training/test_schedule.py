import pytest

from embedder.training.schedule import linear_warmup


def test_warm_up_and_decay_by_hand():
    # 10 steps, 2 of warm-up: 1/2, 2/2, then 8/8, 7/8 ... 1/8.
    factors = [linear_warmup(step, 10, 0.2) for step in range(11)]
    assert factors == pytest.approx([0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0])
    assert linear_warmup(0, 10, 0.0) == 1.0
