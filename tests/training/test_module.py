"""The loss of a batch of tiny real models: cut vectors, learned temperatures, cached gradients."""

import pytest
import torch

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.errors import ConfigError
from embedder.training.collate import collate
from embedder.training.module import RetrieverModule
from embedder.training.objective import Contrastive, Graded, Objective
from embedder.training.sampling import Group, Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import Key


def task(name="qa", **objective):
    return Task(name, "ask: ", "", 64, 64, Objective(temperature=0.1, **objective), Sampling(group_size=3))


def groups(rewards=None):
    texts = ("short", "a text that goes on for rather longer than the others do", "middling text", "one")
    return [
        Group(f"q{i}", f"who is {i}?", tuple(Key(f"{i}{k}", f"{texts[(i + k) % 4]} {i} {k}") for k in range(3)),
              (True, False, False), rewards, ())
        for i in range(5)
    ]  # fmt: skip


def module(directory, tasks=None, dimensions=None, **settings):
    encoder = TextEncoder(EncoderConfig(str(directory), "mean", device="cpu", **settings))
    tasks = tasks or {"qa": task()}
    return RetrieverModule(encoder, tasks, AdamWLinear(lr=1e-3), dimensions=dimensions)


def batch_of(one, name="qa", rewards=None):
    return collate(groups(rewards), one.tasks[name], "small", 0, 5, one.encoder.tokenize)


def gradients(one, batch, precision=None):
    torch.manual_seed(0)
    # Without the cache of cast weights, whose gradients would be summed over the pieces in bfloat16.
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=False):
        loss = one.loss(batch)
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in one.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"dropout": 0.2},
        {"gradient_checkpointing": True},
        {"lora": {"r": 4, "alpha": 8.0, "dropout": 0.1, "target_modules": ["query", "value"]}},
        {"shared": False},
        {"trainable": "query", "dropout": 0.2},
        {"trainable": "query", "lora": {"r": 4, "alpha": 8.0, "dropout": 0.1, "target_modules": ["query", "value"]}},
    ],
    ids=["plain", "dropout", "gradient checkpointing", "lora", "two encoders", "query alone", "query alone, lora"],
)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_cached_gradients_are_those_of_the_plain_step(bert_directory, settings, precision):
    graded = {"qa": task(losses={"graded": Graded(), "contrastive": Contrastive(0.5)})}
    found = []
    for cached in (False, True):
        one = module(bert_directory, graded, micro_batch_tokens=48, cached_gradients=cached, **settings)
        with torch.no_grad():  # adapters start at 0, where half of their gradients vanish
            for name, parameter in one.named_parameters():
                if "lora_B" in name:
                    parameter.copy_(torch.linspace(-0.5, 0.5, parameter.numel()).view_as(parameter))
                elif "lora_A" in name:
                    parameter.copy_(torch.linspace(-0.3, 0.4, parameter.numel()).view_as(parameter))
        found.append(gradients(one, batch_of(one, rewards=(2.0, 1.0, 0.0)), precision))
    (plain_loss, plain), (cached_loss, cached) = found
    assert cached_loss == pytest.approx(plain_loss, abs=1e-6)
    assert plain.keys() == cached.keys()
    for name in plain:
        torch.testing.assert_close(cached[name], plain[name], rtol=1e-5, atol=1e-5)
    assert max(gradient.abs().max() for gradient in plain.values()) > 1e-3


@pytest.mark.parametrize("lora", [None, {"r": 4}], ids=["full", "lora"])
def test_the_first_loss_of_query_only_training_is_that_of_training_both_sides(bert_directory, lora):
    both, query = (module(bert_directory, dropout=0.0, lora=lora, trainable=sides) for sides in ("both", "query"))
    (loss, of_both), (query_loss, of_query) = (gradients(one, batch_of(one)) for one in (both, query))
    assert query_loss == pytest.approx(loss, abs=1e-6)
    assert of_query.keys() == of_both.keys()  # without weights of keys
    differs = max((of_query[name] - of_both[name]).abs().max() for name in of_both)
    assert differs > 1e-3  # what keys add to the gradient


def test_the_loss_of_cut_vectors_is_the_mean_over_the_cuts(bert_directory):
    losses = {}
    for dimensions in (None, [32], [8], [32, 8]):
        one = module(bert_directory, dimensions=dimensions).eval()
        losses[str(dimensions)] = one.loss(batch_of(one)).item()
    assert losses["[32]"] == pytest.approx(losses["None"])
    assert losses["[8]"] != pytest.approx(losses["None"], abs=1e-3)
    assert losses["[32, 8]"] == pytest.approx((losses["[32]"] + losses["[8]"]) / 2)


def test_a_learned_temperature_starts_at_its_setting_and_has_the_gradient_of_the_loss(bert_directory):
    tasks = {"qa": task(learned_temperature=True), "tool": task("tool")}
    one, fixed = module(bert_directory, tasks).eval(), module(bert_directory).eval()
    loss = one.loss(batch_of(one))
    assert loss.item() == pytest.approx(fixed.loss(batch_of(fixed)).item(), rel=1e-5)
    loss.backward()
    nearby = [fixed.tasks["qa"].objective.temperature * factor for factor in (0.999, 1.001)]
    low, high = (
        module(
            bert_directory, {"qa": Task("qa", "ask: ", "", 64, 64, Objective(temperature=value), Sampling(3))}
        ).eval()
        for value in nearby
    )
    slope = (high.loss(batch_of(high)).item() - low.loss(batch_of(low)).item()) / 0.002
    assert one.temperatures.logarithms.grad.item() == pytest.approx(slope, rel=0.02)
    one.temperatures.logarithms.grad = None
    one.loss(batch_of(one, "tool")).backward()  # of another task: the parameter is reached, with nothing to learn
    assert one.temperatures.logarithms.grad.item() == 0.0


def test_only_learned_temperatures_are_parameters(bert_directory):
    assert list(module(bert_directory).temperatures.parameters()) == []
    with pytest.raises(ConfigError, match=r"objective\.learned_temperature: expected true or false"):
        Objective(learned_temperature="yes")
