import re
import time

import pytest

from embedder.llm import waves
from embedder.llm.waves import run_in_waves


def test_every_item_once_in_order_and_every_wave_is_saved():
    seen, saves = [], []
    run_in_waves(list(range(100)), seen.extend, lambda: saves.append(len(seen)), "counting", save_seconds=60)
    assert seen == list(range(100))
    assert saves == [8, 40, 100, 100]  # each wave, and the end


def test_waves_grow_while_they_are_quick():
    sizes = []
    run_in_waves(list(range(1000)), lambda wave: sizes.append(len(wave)), lambda: None, "counting", save_seconds=60)
    assert sizes == [8, 32, 128, 512, 320]  # four times the last at most


def test_waves_of_slow_work_stay_small():
    sizes = []

    def work(wave):
        sizes.append(len(wave))
        time.sleep(0.02)

    run_in_waves(list(range(24)), work, lambda: None, "waiting", save_seconds=0.01)
    assert sizes == [8, 8, 8]


def test_what_was_done_is_saved_when_the_work_fails():
    done, saved = [], []

    def work(wave):
        if done:
            raise RuntimeError("no more")
        done.extend(wave)

    with pytest.raises(RuntimeError, match="no more"):
        run_in_waves(list(range(20)), work, lambda: saved.__setitem__(slice(None), done), "failing", save_seconds=60)
    assert saved == list(range(8))


def test_a_log_without_a_terminal_tells_rate_and_time_left(caplog, monkeypatch):
    monkeypatch.setattr(waves, "_LOG_SECONDS", 0.0)
    tokens = [0]

    def work(wave):
        tokens[0] += 100 * len(wave)
        time.sleep(0.01)

    with caplog.at_level("INFO"):
        run_in_waves(list(range(60)), work, lambda: None, "scoring", 60, lambda: tokens[0])
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(",")[0] for line in lines] == ["scoring: 8 of 60 prompts", "scoring: 40 of 60 prompts"]
    assert all(re.search(r"[\d,]+ tokens/s, \d+:\d\d:\d\d left", line) for line in lines)
