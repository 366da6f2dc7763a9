"""Processes that share work learn of one that fails, is killed or is done."""

import multiprocessing
import os
import signal
import socket
import time

import pytest

from embedder.engines.watch import Ranks, together
from embedder.errors import DataError, EmbedderError


def work(rank, port, fate, outcome):
    try:
        with together(Ranks(rank, 2, rank, "127.0.0.1", port)):
            if rank == 1 and fate == "fails":
                raise DataError("train.jsonl", 3, "cannot be read")
            if rank == 1 and fate == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if fate == "done":
                time.sleep(rank)
            else:
                time.sleep(60)  # of work that nobody needs any longer
        outcome.put((rank, "done"))
    except EmbedderError as error:
        outcome.put((rank, str(error)))


@pytest.mark.parametrize(
    ("fate", "first", "second"),
    [
        ("done", "done", "done"),
        ("fails", "process 2 of 2 has failed: what it said", "train.jsonl:3: cannot be read"),
        ("killed", "another process of this run has ended, or was killed", None),
    ],
)
def test_one_process_ends_all(fate, first, second):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    outcome = spawn.Queue()
    processes = [spawn.Process(target=work, args=(rank, port, fate, outcome)) for rank in (0, 1)]
    for process in processes:
        process.start()
    said = dict(outcome.get(timeout=600) for _ in range(2 if second else 1))
    for process in processes:
        process.join()
    assert said[0].startswith(first)
    assert said.get(1) == second
