import re

import pytest

from embedder.errors import ConfigError
from embedder.training.mixture import Mixture, mixture_weights

SIZES, TASKS, WEIGHTS = [100, 300, 1600, 50], ["qa", "qa", "qa", "tool"], {"qa": 1.0, "tool": 2.0}


def test_by_hand():
    # Square roots 10, sqrt 300, 40 with T = 2; tool has one data set, which takes all of its weight.
    root = 300**0.5
    expected = [10 / (50 + root), root / (50 + root), 40 / (50 + root), 2.0]
    assert mixture_weights(SIZES, TASKS, WEIGHTS, Mixture(2.0)) == pytest.approx(expected)


def test_temperature_1_is_proportional_and_a_high_one_equal():
    assert mixture_weights(SIZES, TASKS, WEIGHTS, Mixture()) == pytest.approx([0.05, 0.15, 0.8, 2.0])
    assert mixture_weights(SIZES, TASKS, WEIGHTS, Mixture(1e6)) == pytest.approx([1 / 3] * 3 + [2.0], abs=1e-5)


def test_a_limit_caps_what_a_large_data_set_counts():
    # 100, 300 and 400 of 800.
    assert mixture_weights(SIZES, TASKS, WEIGHTS, Mixture(1.0, 400)) == pytest.approx([1 / 8, 3 / 8, 1 / 2, 2.0])


@pytest.mark.parametrize("temperature", [1.0, 7.0, 1e9])
def test_the_weights_of_a_task_sum_to_its_weight(temperature):
    weights = mixture_weights(SIZES, TASKS, WEIGHTS, Mixture(temperature))
    assert sum(weights[:3]) == pytest.approx(1.0)
    assert weights[3] == pytest.approx(2.0)


def test_a_small_data_set_beside_a_huge_one_keeps_a_share():
    small, huge = mixture_weights([10, 10**12], ["qa", "qa"], {"qa": 1.0}, Mixture(3.0, 10_000))
    assert small == pytest.approx(1 / 11)  # cube roots of 10 and 10,000 are 1 to 10
    assert small + huge == pytest.approx(1.0)


def test_settings_are_checked():
    for settings, message in (((0.5,), "data.mixture.temperature"), ((1.0, 0), "data.mixture.max_records")):
        with pytest.raises(ConfigError, match=re.escape(message)):
            Mixture(*settings)
