"""Processes with a part of a batch each take the gradient of one process with all of it, ragged parts included."""

import os

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from embedder.losses.contrastive import contrastive_loss
from embedder.processes import Processes
from embedder.training.gather import gather_rows, rows_of, sum_over_processes
from embedder.training.negatives import in_batch_negatives, negatives_by_place

B, N, D = 6, 3, 5  # at least two hard negatives


def batch():
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(B, D, generator=generator)
    keys = torch.randn(B, N, D, generator=generator)
    hashes = torch.randint(1, 15, (B, N), generator=generator)  # some texts stand twice
    return queries, keys, hashes


def loss_of(weight, places, rows):
    queries, keys, hashes = (tensor[places.start : places.stop] for tensor in batch())
    queries, keys = queries @ weight, keys @ weight
    scores = torch.einsum("bd,bnd->bn", queries, keys)
    others = queries @ gather_rows(keys, rows).flatten(0, 1).T
    mask = in_batch_negatives(hashes, hashes[:, :1], gather_rows(hashes, rows).flatten())
    positives = torch.tensor([True] + [False] * (N - 1)).expand(len(queries), N)
    return contrastive_loss(scores, positives, others.masked_fill(~mask, -torch.inf))


def gradient(rank, world_size, path):
    os.environ |= {"MASTER_ADDR": "127.0.0.1"}
    dist.init_process_group("gloo", init_method=f"file://{path}.rendezvous", rank=rank, world_size=world_size)
    weight = torch.eye(D, requires_grad=True)
    rows = -(-B // world_size)
    places = rows_of(Processes(rank, world_size), B)
    (loss_of(weight, places, rows) * len(places) * world_size / B).backward()
    dist.all_reduce(weight.grad)
    assert sum_over_processes(torch.tensor(2.0)) == 2 * world_size
    if rank == 0:
        torch.save(weight.grad / world_size, path)  # data-parallel training averages
    dist.destroy_process_group()


def test_gradients_do_not_depend_on_the_number_of_processes(tmp_path):
    weight = torch.eye(D, requires_grad=True)
    loss_of(weight, range(B), B).backward()
    for world_size in (2, 4):  # 3 + 3 and 2 + 2 + 1 + 1 queries
        path = tmp_path / f"gradient{world_size}"
        mp.spawn(gradient, args=(world_size, str(path)), nprocs=world_size)
        torch.testing.assert_close(torch.load(path, weights_only=True), weight.grad, rtol=1e-5, atol=1e-6)


def test_shares_cover_a_batch_in_order_and_differ_by_one_at_most():
    for n in range(4, 20):
        shares = [rows_of(Processes(rank, 4), n) for rank in range(4)]
        assert [place for share in shares for place in share] == list(range(n))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert [list(rows_of(Processes(rank, 4), 2)) for rank in range(4)] == [
        [0, 1]
    ] * 4  # fewer than processes: all take all


def test_negatives_of_a_ragged_batch_by_hand():
    # Two processes with two rows each, the last one empty: queries 0 and 1 here, 2 there. Text 5 stands twice.
    here = torch.tensor([[1, 2], [3, 5]])
    everyone = torch.tensor([[1, 2], [3, 5], [5, 6], [0, 0]])
    known = torch.tensor([[6], [3]])
    mask = in_batch_negatives(here, known, everyone.flatten())
    #             1      2      3      5      5      6      -      -
    assert mask.tolist() == [
        [False, False, True, True, False, False, False, False],  # 6 is a known positive, the second 5 a repetition
        [True, True, False, False, False, True, False, False],  # 5 is a key of its group
    ]
    present = torch.ones(2, 2, dtype=torch.bool)
    assert negatives_by_place(present, mask, torch.arange(8) < 4) == (1.0, 2.0, 0.5)
