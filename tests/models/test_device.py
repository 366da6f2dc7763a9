import logging

import pytest

from embedder.models.device import slowdown_of_bfloat16, warn_of_slow_bfloat16


def test_the_slowdown_is_the_time_in_bfloat16_over_that_in_float32(monkeypatch):
    clock = iter([second for took in (3, 2, 2, 2, 9, 1, 1, 1) for second in (0, took)])  # the first of each is left out
    monkeypatch.setattr("embedder.models.device.time.process_time", lambda: next(clock))
    assert slowdown_of_bfloat16() == 2.0


@pytest.mark.parametrize(("slowdown", "told"), [(0.4, False), (1.1, False), (2.0, True)])
def test_what_is_slow_is_told_once_with_what_to_set(monkeypatch, caplog, slowdown, told):
    monkeypatch.setattr("embedder.models.device.slowdown_of_bfloat16", lambda: slowdown)
    warn_of_slow_bfloat16.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            warn_of_slow_bfloat16("cpu", "llm.dtype", "float32")
        warn_of_slow_bfloat16("cuda", "llm.dtype", "float32")
    message = "llm.dtype: this processor takes 2.0 times as long in bfloat16 as in float32; set llm.dtype=float32"
    assert [record.message for record in caplog.records] == [message] * told
