"""Each loss is a mean over the records that it applies to: against plain Python, one by one, on 1 to 8 processes."""

import math
import os
from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.processes import Processes
from embedder.texts import text_hash
from embedder.training.collate import collate
from embedder.training.gather import rows_of
from embedder.training.module import RetrieverModule
from embedder.training.objective import KL, Contrastive, Graded, Objective
from embedder.training.sampling import Group, Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import Key

TEMPERATURE = 0.1
OBJECTIVES = {
    "labels and graded": {"contrastive": Contrastive(0.5), "graded": Graded(2.0)},
    "labels and kl": {"contrastive": Contrastive(), "kl": KL(0.7)},
    "rewards alone": {"graded": Graded()},
}
# A record of each kind, by (labelled, judged), unevenly over the batch: the last processes have no judged one.
KINDS = [(True, True), (False, True), (True, True), *[(True, False)] * 5]


def group(number, labelled, judged, n_keys=3):
    keys = tuple(Key(f"{number}{k}", f"text {k * 7} of {number} is the {k}th") for k in range(n_keys))
    rewards = tuple(float((number * 3 + k * 5) % 4) for k in range(n_keys)) if judged else None
    known = (text_hash(keys[0].text),) if labelled else ()
    return Group(f"q{number}", f"who is {number}?", keys, (labelled,) + (False,) * (n_keys - 1), rewards, known)


GROUPS = [group(number, *kind, n_keys=3 - (number == 1)) for number, kind in enumerate(KINDS)]


class OfProcess(RetrieverModule):
    """A module without a trainer, which would say which process this is."""

    global_rank = property(lambda self: dist.get_rank() if dist.is_initialized() else 0)


def module(directory, losses, **settings):
    encoder = TextEncoder(EncoderConfig(str(directory), "mean", device="cpu"))
    objective = Objective(dict(losses), temperature=TEMPERATURE, **settings)
    tasks = {"qa": Task("qa", "", "", 64, 64, objective, Sampling(group_size=3))}
    return OfProcess(encoder, tasks, AdamWLinear(lr=1e-3))


def batch_of(one, groups, share=None):
    own = [groups[position] for position in (share or range)(len(groups))]
    return collate(own, one.tasks["qa"], "small", 0, len(groups), one.encoder.tokenize)


def by_hand(one, groups):
    """Loss by loss and record by record, in plain Python numbers."""
    texts = [item.query for item in groups] + [key.text for item in groups for key in item.keys]
    with torch.no_grad():
        vectors = [one.encoder(one.encoder.tokenize([text], "", 64, "start"), "key")[0].tolist() for text in texts]
    queries, rest = vectors[: len(groups)], iter(vectors[len(groups) :])
    keys = [[next(rest) for _ in item.keys] for item in groups]

    def exp_score(i, vector):
        return math.exp(sum(a * b for a, b in zip(queries[i], vector, strict=True)) / TEMPERATURE)

    total = 0.0
    for loss in one.tasks["qa"].objective.used.values():
        found = []
        for i, item in enumerate(groups):
            own = [exp_score(i, vector) for vector in keys[i]]
            others = sum(exp_score(i, vector) for j in range(len(groups)) if j != i for vector in keys[j])
            if isinstance(loss, Contrastive):
                if any(item.is_positive):
                    found.append(-math.log(own[0] / (sum(own) + others)))
            elif item.rewards is not None:
                weights = [math.exp(reward / loss.teacher_temperature) for reward in item.rewards]
                shares = [weight / sum(weights) for weight in weights]
                if isinstance(loss, KL):
                    found.append(sum(p * math.log(p * sum(own) / s) for p, s in zip(shares, own, strict=True)))
                    continue
                terms = []
                for s, reward in zip(own, item.rewards, strict=True):
                    lower = sum(x for x, r in zip(own, item.rewards, strict=True) if r < reward)
                    terms.append(-math.log(s / (s + lower + others)))
                found.append(sum(p * term for p, term in zip(shares, terms, strict=True)))
        total += loss.weight * sum(found) / max(1, len(found))
    return total


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_mixed_batch_has_the_loss_of_its_records_one_by_one(bert_directory, name):
    one = module(bert_directory, OBJECTIVES[name]).eval()
    assert one.loss(batch_of(one, GROUPS)).item() == pytest.approx(by_hand(one, GROUPS), rel=1e-4)


@pytest.mark.parametrize("kind", [(True, False), (False, True)])
def test_a_loss_that_applies_to_no_record_is_0_and_all_gradients_are_numbers(bert_directory, kind):
    one = module(bert_directory, OBJECTIVES["labels and graded"], learned_temperature=True)
    groups = [replace(item, is_positive=(kind[0], False, False), rewards=(1.0, 0.0, 2.0) if kind[1] else None)
              for item in (group(number, *kind) for number in range(3))]  # fmt: skip
    applied = "graded" if kind[1] else "contrastive"
    loss = one.training_step(batch_of(one, groups), 0)
    assert loss.item() == pytest.approx(by_hand(one, groups), rel=1e-3)
    assert set(one.step_losses) == {applied}
    assert f"train/qa/loss_{applied}" in one.step_values
    assert len([name for name in one.step_values if name.startswith("train/qa/loss_")]) == 1
    assert sorted(one.step_values[f"train/qa/records_{part}"] for part in ("contrastive", "graded")) == [[0.0], [3.0]]
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in one.parameters() if p.requires_grad)


def test_a_batch_that_no_loss_applies_to_has_the_loss_0_and_gradients_of_0(bert_directory):
    one = module(bert_directory, {"graded": Graded()})
    loss = one.training_step(batch_of(one, [group(number, True, False) for number in range(3)]), 0)
    loss.backward()
    assert loss.item() == 0.0
    assert all((p.grad == 0).all() for p in one.parameters() if p.grad is not None)


def test_cached_gradients_of_a_mixed_batch_are_those_of_the_plain_step(bert_directory):
    found = []
    for cached in (False, True):
        encoder = TextEncoder(
            EncoderConfig(str(bert_directory), "mean", device="cpu", cached_gradients=cached, micro_batch_tokens=48)
        )
        one = OfProcess(encoder, module(bert_directory, OBJECTIVES["labels and kl"]).tasks, AdamWLinear(lr=1e-3))
        one.training_step(batch_of(one, GROUPS), 0).backward()
        found.append({name: p.grad for name, p in one.named_parameters() if p.grad is not None})
    for name in found[0]:
        torch.testing.assert_close(found[1][name], found[0][name], rtol=1e-5, atol=1e-6)


def step(one, share=None):
    loss = one.training_step(batch_of(one, GROUPS, share), 0)
    loss.backward()
    return {name: p.grad for name, p in one.named_parameters() if p.grad is not None}


def step_of_process(rank, world_size, directory, path):
    os.environ |= {"MASTER_ADDR": "127.0.0.1"}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{path}.rendezvous", rank=rank, world_size=world_size)
    one = module(directory, OBJECTIVES["labels and graded"]).eval()
    gradients = step(one, partial(rows_of, Processes(rank, world_size)))
    for gradient in gradients.values():
        dist.all_reduce(gradient)
        gradient /= world_size  # as data-parallel training averages
    one.on_validation_epoch_start()
    logged = {}
    one.log = lambda name, value, **_: logged.update({name: value})
    one.validation_step(batch_of(one, GROUPS, partial(rows_of, Processes(rank, world_size))), 0)
    one.on_validation_epoch_end()
    if rank == 0:
        losses = {name: float(loss) for name, loss in one.step_losses.items()}
        torch.save({"gradients": gradients, "losses": losses, "loss": float(one.step_loss), "val": logged}, path)
    dist.destroy_process_group()


@pytest.mark.parametrize("world_size", [2, 4, pytest.param(8, marks=pytest.mark.slow)])  # of 4 and 8 some judge none
def test_losses_and_gradients_do_not_depend_on_the_number_of_processes(bert_directory, tmp_path, world_size):
    one = module(bert_directory, OBJECTIVES["labels and graded"]).eval()
    expected, path = step(one), tmp_path / "step"
    mp.spawn(step_of_process, args=(world_size, str(bert_directory), str(path)), nprocs=world_size)
    found = torch.load(path, weights_only=True)
    by_record = by_hand(one, GROUPS)
    assert found["loss"] == pytest.approx(one.step_loss.item(), rel=1e-5) == pytest.approx(by_record, rel=1e-4)
    assert found["val"] == pytest.approx({"val/qa/small/loss": by_record, "val/loss": by_record}, rel=1e-4)
    assert found["losses"] == pytest.approx({name: loss.item() for name, loss in one.step_losses.items()}, rel=1e-5)
    for name, gradient in expected.items():
        torch.testing.assert_close(found["gradients"][name], gradient, rtol=1e-4, atol=1e-5)
