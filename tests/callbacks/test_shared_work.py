"""What processes do together between two steps: the same calls of the LLM, waiting, and errors that end all."""

import os
from datetime import timedelta

import numpy as np
import torch.distributed as dist
import torch.multiprocessing as mp

from embedder.callbacks.shared_work import SharedWork

N = 53  # records: four blocks that the LLM judges in one call, the last one ragged


def in_processes(rank, world_size, path):
    os.environ |= {"MASTER_ADDR": "127.0.0.1"}
    url = f"file://{path}.rendezvous"
    dist.init_process_group("gloo", init_method=url, rank=rank, world_size=world_size, timeout=timedelta(seconds=30))
    shared = SharedWork(rank)
    own = shared.share(N)
    assert own.start % 16 == 0
    assert own.stop in (N, *range(0, N, 16))
    table = np.stack([np.arange(N), np.arange(N) ** 2], axis=1)
    assert np.array_equal(shared.gather(table[own.start : own.stop], N), table)
    assert shared.total(len(own), N) == N
    assert (shared.share(7), shared.total(7, 7)) == (range(7), 7)  # one block: every process has all
    assert np.array_equal(shared.gather(table[:7], 7), table[:7])
    dist.destroy_process_group()


def test_records_are_shared_out_in_blocks_of_those_that_are_judged_together(tmp_path):
    assert SharedWork().share(N) == range(N)
    for world_size in (2, 3):
        mp.spawn(in_processes, args=(world_size, str(tmp_path / f"{world_size}")), nprocs=world_size)
