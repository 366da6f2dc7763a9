"""What processes do together between two steps: the same calls of the LLM, waiting, and errors that end all."""

import os
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

from embedder import waiting
from embedder.errors import EmbedderError
from embedder.processes import Processes
from embedder.training.fresh_negatives import NegativeTable
from embedder.training.shared_work import SharedWork

PATIENCE = 120  # seconds until a process that waits in a collective gives up, with an error of another kind
N = 53  # records: four blocks that the LLM judges in one call, the last one ragged


def fails_in_the_first(work):
    """The first process says what is wrong, the other one that it was the first."""
    expected = "no space" if dist.get_rank() == 0 else "process 0: .*no space"
    with pytest.raises(OSError if dist.get_rank() == 0 else EmbedderError, match=expected):
        work()


def in_two_processes(rank, path):
    from embedder.callbacks.reindex import ReindexCallback  # here, so that the other processes start sooner
    from embedder.callbacks.step_vectors import StepVectors

    start(rank, 2, path)
    full = Path(path) / "no space"  # a file, so that no folder can be made in it
    trainer = SimpleNamespace(
        is_global_zero=rank == 0,
        local_rank=rank,
        global_step=1,
        strategy=SimpleNamespace(broadcast=lambda value: value),
    )
    reindex = ReindexCallback(None, None, None, full / "negatives")
    table = NegativeTable(np.zeros((2, 2), np.int8))
    fails_in_the_first(lambda: reindex._publish(trainer, 1, {"qa/small": table}))
    fails_in_the_first(lambda: StepVectors(full / "vectors").setup(trainer, None, "fit"))
    dist.destroy_process_group()


def test_where_one_process_cannot_write_all_end_at_once(tmp_path):
    (tmp_path / "no space").touch()
    mp.spawn(in_two_processes, args=(str(tmp_path),), nprocs=2)


def start(rank, world_size, path):
    os.environ |= {"MASTER_ADDR": "127.0.0.1"}
    url = f"file://{path}.rendezvous"
    timeout = timedelta(seconds=PATIENCE)
    dist.init_process_group("gloo", init_method=url, rank=rank, world_size=world_size, timeout=timeout)


def in_processes(rank, world_size, path):
    start(rank, world_size, path)
    shared = SharedWork(Processes.here())
    own = shared.share(N)
    assert own.start % 16 == 0
    assert own.stop in (N, *range(0, N, 16))
    table = np.stack([np.arange(N), np.arange(N) ** 2], axis=1)
    assert np.array_equal(shared.gather(table[own.start : own.stop], N), table)
    assert shared.total(len(own)) == N
    few = shared.share(7)  # one block, of the first process; the others have none
    assert len(few) == (7 if rank == 0 else 0)
    assert np.array_equal(shared.gather(table[few.start : few.stop], 7), table[:7])
    assert shared.total(len(few)) == 7
    dist.destroy_process_group()


def test_records_are_shared_out_in_blocks_of_those_that_are_judged_together(tmp_path):
    assert SharedWork().share(N) == range(N)
    for world_size in (2, 3):
        mp.spawn(in_processes, args=(world_size, str(tmp_path / f"{world_size}")), nprocs=world_size)


def in_uneven_processes(rank, path):
    start(rank, 2, path)
    dist.distributed_c10d._set_pg_timeout(timedelta(seconds=1), dist.group.WORLD)
    shared = SharedWork(Processes.here())
    shared.wait()
    told = Path(path) / "told"
    waiting._FIRST = 0.1
    waiting.logger.info = lambda *message: told.touch()
    time.sleep(3 * rank)
    while rank == 1 and not told.exists():  # the first process says what it waits for
        time.sleep(0.05)
    shared.wait()
    (Path(path) / f"{rank}").touch()
    if rank == 1:
        os._exit(0)  # as one that is killed
    with pytest.raises(RuntimeError):
        shared.wait()


def test_a_process_waits_for_one_that_takes_longer_than_a_collective_may_but_not_for_one_that_ended(tmp_path):
    mp.spawn(in_uneven_processes, args=(str(tmp_path),), nprocs=2)
    assert sorted(path.name for path in tmp_path.glob("?")) == ["0", "1"]
