"""Batches over all tasks: which records a step takes, its loss in plain Python, and the same on two processes."""

import math
import os
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.errors import ConfigError
from embedder.processes import ALONE, Processes
from embedder.training.objective import Contrastive, Objective
from embedder.training.plan import BatchPlan, PlannedBatch
from embedder.training.sampling import Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.steps import StepBatches
from embedder.training.task import Task
from embedder.types import Key, Record
from tests.training.test_masked_losses import OfProcess

TASKS = {
    "qa": Task("qa", "ask: ", "text: ", 64, 64, Objective(temperature=0.1), Sampling(group_size=3)),
    "tool": Task("tool", "do: ", "", 64, 64, Objective({"contrastive": Contrastive(0.5)}, 0.2), Sampling(2)),
}
DATASETS = [SimpleNamespace(task="qa", name="nq"), SimpleNamespace(task="tool", name="metatool")]


def records(name, n, n_negatives):
    keys = [
        [Key(f"{name}{i}{k}", f"{name} {i} is {'very ' * k}long") for k in range(1 + n_negatives)] for i in range(n)
    ]
    return [Record(f"{name}{i}", f"which {name} is {i}?", (own[0],), tuple(own[1:])) for i, own in enumerate(keys)]


RECORDS = [records("fact", 6, 2), records("tool", 3, 1)]


def test_a_step_takes_the_next_queries_of_the_plan_whatever_their_data_set():
    plan = BatchPlan(sizes=[6, 3], weights=[2.0, 1.0], batch_size=6, seed=1, mixed=True)
    queries = BatchPlan(sizes=[6, 3], weights=[2.0, 1.0], batch_size=1, seed=1)
    for step in (0, 1, 700):
        singles = [queries.batch(query) for query in range(6 * step, 6 * step + 6)]
        by_hand = {d: tuple(r for one in singles if one.dataset == d for r in one.records) for d in (0, 1)}
        assert plan.parts(step) == tuple(PlannedBatch(step, d, own) for d, own in by_hand.items() if own)
    homogeneous = BatchPlan(sizes=[6, 3], weights=[2.0, 1.0], batch_size=6, seed=1)
    assert homogeneous.parts(5) == (homogeneous.batch(5),)


def test_shares_are_those_of_homogeneous_batches_and_an_epoch_takes_every_record_once():
    plan = BatchPlan(sizes=[40, 20], weights=[2.0, 1.0], batch_size=10, seed=0, mixed=True)
    for epoch in range(3):
        drawn = Counter(
            (part.dataset, record) for step in range(6 * epoch, 6 * epoch + 6) for part in plan.parts(step)
            for record in part.records
        )  # fmt: skip
        assert sum(drawn.values()) == 60
        assert abs(sum(n for (dataset, _), n in drawn.items() if dataset == 0) - 40) <= 2
    whole = Counter(part.dataset for step in range(100) for part in plan.parts(step) for _ in part.records)
    assert whole == {0: 667, 1: 333}  # exact over a cycle of 1,000 queries
    seen = Counter(r for step in range(100) for part in plan.parts(step) if part.dataset == 0 for r in part.records)
    assert max(seen.values()) - min(seen.values()) <= 1


def module(directory):
    encoder = TextEncoder(EncoderConfig(str(directory), "mean", device="cpu"))
    return OfProcess(encoder, TASKS, AdamWLinear(lr=1e-3)).eval()


def batch_of(one, processes=ALONE, batch_size=4):
    plan = BatchPlan([6, 3], [3.0, 1.0], batch_size, seed=0, mixed=True)
    return StepBatches(plan, RECORDS, DATASETS, TASKS, one.encoder.tokenize, 0, processes, {})[0]


def by_hand(one, batch):
    """Query by query in plain numbers: keys of both tasks are negatives, each read with its own task's instruction."""
    by_id = {record.id: (record, TASKS[own.task]) for own, of in zip(DATASETS, RECORDS, strict=True) for record in of}
    chosen = [by_id[query_id] for query_id in batch.query_ids]

    def vector(text, instruction, side):
        with torch.no_grad():
            return one.encoder(one.encoder.tokenize([text], instruction, 64, "start"), side)[0].tolist()

    keys = [[vector(k.text, t.key_instruction, "key") for k in r.positives + r.negatives] for r, t in chosen]
    total = 0.0
    for number, (record, task) in enumerate(chosen):
        query = vector(record.query, task.query_instruction, "query")
        exponentials = [
            [math.exp(sum(a * b for a, b in zip(query, key, strict=True)) / task.objective.temperature) for key in of]
            for of in keys
        ]
        loss = -math.log(exponentials[number][0] / sum(map(sum, exponentials)))
        total += task.objective.weights[0] * loss
    return total / len(chosen)


def test_the_loss_is_that_of_its_queries_one_by_one(bert_directory):
    one = module(bert_directory)
    batch = batch_of(one)
    assert [(part.task, len(part.query_ids)) for part in batch.parts] == [("qa", 3), ("tool", 1)]
    assert one.loss(batch).item() == pytest.approx(by_hand(one, batch), rel=1e-4)


def test_all_tasks_are_logged_and_the_batch_names_itself(bert_directory):
    one = module(bert_directory).train()
    batch = batch_of(one)
    loss = one.training_step(batch, 0)
    assert (batch.task, batch.dataset, batch.n_global) == ("mixed", "qa/nq, tool/metatool", 4)
    assert set(one.step_losses) == {"qa/nq/contrastive", "tool/metatool/contrastive"}
    assert sum(one.step_losses.values()).item() == pytest.approx(loss.item(), rel=1e-6) == one.step_loss.item()
    # A query of qa: 2 keys of its group; 2 other groups of 3 keys and the tools' one of 2 in the batch.
    assert one.step_values["train/qa/negatives_group"] == [2.0]
    assert one.step_values["train/qa/negatives_batch"] == [8.0]
    assert one.step_values["train/tool/negatives_batch"] == [9.0]
    mixed, qa, tool = (one.step_values[f"train/{name}/loss"][0].item() for name in ("mixed", "qa", "tool"))
    parts = {part.task: one.losses(part)[0].item() / len(part.query_ids) for part in batch.parts}  # its own keys alone
    assert qa > parts["qa"] > 0 < tool  # negatives of the other task make it harder
    assert mixed == pytest.approx(loss.item(), rel=1e-6) == (3 * qa + tool) / 4


def test_two_data_sets_of_a_task_count_by_their_queries(bert_directory):
    one = module(bert_directory).train()
    plan = BatchPlan([6, 3], [3.0, 1.0], 4, seed=0, mixed=True)
    datasets = [SimpleNamespace(task="qa", name="nq"), SimpleNamespace(task="qa", name="triviaqa")]
    batch = StepBatches(plan, RECORDS, datasets, TASKS, one.encoder.tokenize, 0, ALONE, {})[0]
    loss = one.training_step(batch, 0)
    assert [part.n_global for part in batch.parts] == [3, 1]
    assert [value.item() for value in one.step_values["train/qa/loss"]] == pytest.approx([loss.item()], rel=1e-6)


def test_no_task_may_have_the_name_of_batches_over_all_of_them():
    with pytest.raises(ConfigError, match=r"tasks\.NAME\.name: expected another name, .*, got 'mixed'"):
        replace(TASKS["qa"], name="mixed")


def step(one, processes):
    one.training_step(batch_of(one, processes), 0).backward()
    return {name: p.grad for name, p in one.named_parameters() if p.grad is not None}


def step_of_process(rank, world_size, directory, path):
    os.environ |= {"MASTER_ADDR": "127.0.0.1"}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{path}.rendezvous", rank=rank, world_size=world_size)
    one = module(directory)
    gradients = step(one, Processes(rank, world_size))
    for gradient in gradients.values():
        dist.all_reduce(gradient)
        gradient /= world_size  # as data-parallel training averages
    if rank == 0:
        torch.save({"gradients": gradients, "loss": float(one.step_loss)}, path)
    dist.destroy_process_group()


def test_loss_and_gradients_are_the_same_on_two_processes(bert_directory, tmp_path):
    one = module(bert_directory)
    expected, path = step(one, ALONE), tmp_path / "step"
    # Three queries of qa are divided as 2 and 1; of the one request both processes have a copy.
    mp.spawn(step_of_process, args=(2, str(bert_directory), str(path)), nprocs=2)
    found = torch.load(path, weights_only=True)
    assert found["loss"] == pytest.approx(one.step_loss.item(), rel=1e-5)
    for name, gradient in expected.items():
        torch.testing.assert_close(found["gradients"][name], gradient, rtol=1e-4, atol=1e-5)
