"""Two processes with half a batch each take the gradient of one process with all of it."""

import os

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from embedder.losses.contrastive import contrastive_loss
from embedder.training.gather import gather_rows, largest
from embedder.training.negatives import in_batch_negatives

B, N, D = 6, 3, 5  # at least two hard negatives


def batch():
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(B, D, generator=generator)
    keys = torch.randn(B, N, D, generator=generator)
    hashes = torch.randint(1, 15, (B, N), generator=generator)  # some texts stand twice
    return queries, keys, hashes


def loss_of(weight, first, last):
    queries, keys, hashes = (tensor[first:last] for tensor in batch())
    queries, keys = queries @ weight, keys @ weight
    scores = torch.einsum("bd,bnd->bn", queries, keys)
    others = queries @ gather_rows(keys).flatten(0, 1).T
    mask = in_batch_negatives(hashes, hashes[:, :1], first, gather_rows(hashes))
    positives = torch.tensor([True] + [False] * (N - 1)).expand(len(queries), N)
    return contrastive_loss(scores, positives, others.masked_fill(~mask, -torch.inf))


def gradient(rank, world_size, path):
    os.environ |= {"MASTER_ADDR": "127.0.0.1"}
    dist.init_process_group("gloo", init_method=f"file://{path}.rendezvous", rank=rank, world_size=world_size)
    weight = torch.eye(D, requires_grad=True)
    share = B // world_size
    loss_of(weight, rank * share, (rank + 1) * share).backward()
    dist.all_reduce(weight.grad)
    assert largest(rank, weight.device) == world_size - 1
    if rank == 0:
        torch.save(weight.grad / world_size, path)  # data-parallel training averages
    dist.destroy_process_group()


def test_gradients_do_not_depend_on_the_number_of_processes(tmp_path):
    weight = torch.eye(D, requires_grad=True)
    loss_of(weight, 0, B).backward()
    for world_size in (2, 3):
        path = tmp_path / f"gradient{world_size}"
        mp.spawn(gradient, args=(world_size, str(path)), nprocs=world_size)
        torch.testing.assert_close(torch.load(path, weights_only=True), weight.grad, rtol=1e-5, atol=1e-6)
