import time

import pytest

from embedder.rewards.waves import run_in_waves


def test_every_item_once_in_order_and_saved_at_the_end():
    seen, saves = [], []
    run_in_waves(list(range(100)), seen.extend, lambda: saves.append(len(seen)), "counting", save_seconds=60)
    assert seen == list(range(100))
    assert saves == [100]


def test_waves_grow_while_they_are_quick():
    sizes = []
    run_in_waves(list(range(1000)), lambda wave: sizes.append(len(wave)), lambda: None, "counting", save_seconds=60)
    assert sizes == [8, 32, 128, 512, 320]  # four times the last at most


def test_slow_work_is_saved_again_and_again():
    saves = []
    run_in_waves(list(range(24)), lambda wave: time.sleep(0.02), lambda: saves.append(1), "waiting", save_seconds=0.01)
    assert len(saves) == 4  # three waves of 8, and the end


def test_what_was_done_is_saved_when_the_work_fails():
    done, saved = [], []

    def work(wave):
        if done:
            raise RuntimeError("no more")
        done.extend(wave)

    with pytest.raises(RuntimeError, match="no more"):
        run_in_waves(list(range(20)), work, lambda: saved.extend(done), "failing", save_seconds=60)
    assert saved == list(range(8))
