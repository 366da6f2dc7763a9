"""What the log says of a wait."""

from embedder.waiting import Waiting


def test_a_wait_is_told_after_some_seconds_and_rarely_from_then_on(caplog):
    caplog.set_level("INFO")
    now = [100.0]
    waiting = Waiting(lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    while now[0] < 100.0 + 600:
        waiting.pause(lambda: "the lighthouse")
    told = [message.removeprefix("waiting for the lighthouse: ") for message in caplog.messages]
    assert told == ["5 s so far", "20 s so far", "80 s so far", "320 s so far"]
