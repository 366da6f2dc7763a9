import pytest

from embedder.errors import ConfigError
from embedder.training.self_paced import SelfPace


def test_the_factor_by_hand():
    pace = SelfPace(smoothing=0.5, warmup=2, retake_steps=100)
    pace.observe("qa", {"graded": 4.0}, 1)
    assert pace.factor("qa") == 1.0  # no reference yet
    pace.observe("qa", {"graded": 2.0}, 2)
    # L0 = (0.25 * 4 + 0.5 * 2) / (1 - 0.25) = 2.6667
    assert pace.factor("qa") == pytest.approx(1.0)
    pace.observe("qa", {"graded": 1.0}, 3)
    # L = (0.125 * 4 + 0.25 * 2 + 0.5 * 1) / (1 - 0.125) = 1.7143
    assert pace.factor("qa") == pytest.approx(1.7143 / 2.6667, abs=1e-4)
    assert pace.factor("tool") == 1.0


def test_a_task_that_stands_still_gets_more_than_one_that_learns():
    pace = SelfPace()
    for step in range(1, 101):
        pace.observe("still", {"graded": 2.0}, step)
        pace.observe("learns", {"graded": 2.0 * 0.98**step}, step)
    assert pace.factor("still") == pytest.approx(1.0)
    assert 0.2 <= pace.factor("learns") < 0.5


def test_factors_are_clipped():
    pace = SelfPace(smoothing=0.0, warmup=1, lowest=0.5, highest=1.5)
    for loss, factor in ((1.0, 1.0), (100.0, 1.5), (0.0, 0.5)):
        pace.observe("qa", {"graded": loss}, 1)
        assert pace.factor("qa") == factor


def test_references_of_all_tasks_are_taken_anew():
    pace = SelfPace(smoothing=0.0, warmup=1, retake_steps=10)
    for step in range(1, 10):
        pace.observe("qa" if step % 2 else "tool", {"graded": 8.0 / step}, step)
    assert pace.factor("qa") < 1
    assert pace.factor("tool") < 1
    pace.observe("qa", {"graded": 1.0}, 10)
    assert (pace.factor("qa"), pace.factor("tool")) == (1.0, 1.0)


def test_a_task_whose_losses_change_in_size_starts_over_and_the_others_go_on():
    pace = SelfPace(smoothing=0.0, warmup=2, retake_steps=1000)
    for step, task in enumerate(["tool", "tool", "qa", "qa", "tool", "qa"], 1):
        pace.observe(task, {"graded": 1.0 if step < 5 else 0.5}, step)
    assert (pace.factor("tool"), pace.factor("qa")) == (0.5, 0.5)
    pace.start_over("tool")  # harder negatives: losses of 2 from now on
    factors = []
    for step in (7, 8, 9):
        pace.observe("tool", {"graded": 2.0}, step)
        factors.append(pace.factor("tool"))
    assert factors == [1.0, 1.0, 1.0]  # no reference, the new reference, at the reference; without it 2.0 at once
    assert pace.factor("qa") == 0.5


def test_state_goes_through_a_checkpoint():
    one, other = SelfPace(warmup=2), SelfPace(warmup=2)
    for step in range(1, 6):
        one.observe("qa", {"graded": 1 / step}, step)
    other.load_state_dict(one.state_dict())
    assert other.factor("qa") == one.factor("qa") != 1.0
    one.observe("qa", {"graded": 0.1}, 6)
    other.observe("qa", {"graded": 0.1}, 6)
    assert other.factor("qa") == one.factor("qa")


@pytest.mark.parametrize(("setting", "value"), [("smoothing", 1.0), ("lowest", 0.0), ("highest", 0.5), ("warmup", 0)])
def test_wrong_settings_are_named(setting, value):
    with pytest.raises(ConfigError, match=f"self_paced.{setting}"):
        SelfPace(**{setting: value})
