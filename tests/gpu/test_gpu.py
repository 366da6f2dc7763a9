"""What runs by other code on a GPU gives what a CPU gives: `python -m pytest -m gpu tests/gpu`.

Encoding and training run on the CPU too, through the same code but for the kernels: what is compared, and how near it
is, is then known to work before a GPU is there. The test of FAISS needs `faiss-gpu`.
"""

import copy

import numpy as np
import pytest
import torch

from embedder.encoders.around import HalfPrecisionEncoder
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.unpadded import kernel_runs
from embedder.index.faiss_index import FaissIndex
from embedder.llm.packed_masks import attending_by
from embedder.llm.packed_scoring import score_packed
from embedder.training.collate import collate
from embedder.training.module import RetrieverModule
from embedder.training.objective import Contrastive, Graded, Objective
from embedder.training.sampling import Group, Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import Key, Reading
from tests.encoders.test_encoder import TEXTS
from tests.llm.brute_force import score_pair_by_pair
from tests.llm.test_packed_scoring import assert_same, some_requests, tiny
from tests.tiny_models import tiny_backbone


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    return request.param


@pytest.fixture(params=["bert", "llama"])
def directory(tmp_path, request):
    return tiny_backbone(tmp_path, request.param, {"pad_token": "<pad>"})


def build(directory, device, **settings):
    return TextEncoder(EncoderConfig(str(directory), "mean", dropout=0.0, device=device, **settings))


def test_vectors_of_float32_are_those_of_padded_rows_on_a_cpu(directory, device):
    expected = build(directory, "cpu", unpadded=False).encode(TEXTS, Reading("key"))
    np.testing.assert_allclose(build(directory, device).encode(TEXTS, Reading("key")), expected, atol=1e-4)


def test_half_precision_without_padding_is_near(directory, device):
    expected = build(directory, "cpu", unpadded=False).encode(TEXTS, Reading("key"))
    encoder = build(directory, device)
    vectors = HalfPrecisionEncoder(encoder, device).encode(TEXTS, Reading("key"))
    # On a GPU the kernel ran, and what it gave was compared at its first use.
    assert encoder._can_unpad if device == "cpu" else encoder._kernel_agrees
    assert not np.array_equal(vectors, expected)
    assert (vectors * expected).sum(1).min() > 0.999


def test_gradients_without_padding_are_near_those_of_padded_rows(directory, device):
    gradients = []
    for unpadded in (False, True):
        encoder = build(directory, device, unpadded=unpadded)
        tokens = {name: value.to(device) for name, value in encoder.tokenize(TEXTS).items()}
        with torch.autocast(device, torch.bfloat16):
            assert not unpadded or device == "cpu" or kernel_runs(encoder.backbone, torch.device(device))
            vectors = encoder(tokens, "key")
        (vectors * torch.linspace(-1, 1, vectors.shape[1], device=device)).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None]))
    padded, unpadded = gradients
    assert torch.nn.functional.cosine_similarity(padded, unpadded, dim=0) > 0.99


def groups():
    texts = ("short", "a text that goes on for rather longer than the others do", "middling text", "one")
    return [
        Group(
            *(f"q{i}", f"who is {i}?", tuple(Key(f"{i}{k}", f"{texts[(i + k) % 4]} {i} {k}") for k in range(3))),
            *((True, False, False), (2.0, 1.0, 0.0), ()),
        )
        for i in range(6)
    ]


def test_steps_in_half_precision_are_near_those_in_float32(directory, device):
    losses = Objective({"graded": Graded(), "contrastive": Contrastive()}, temperature=0.1)
    task = Task("qa", "ask: ", "", 64, 64, losses, Sampling(group_size=3))

    def trained(device, precision):
        module = RetrieverModule(build(directory, device), {"qa": task}, AdamWLinear(lr=1e-3)).to(device)
        before = torch.cat([p.detach().flatten().cpu() for p in module.parameters()])
        data = collate(groups(), task, "small", 0, 6, module.encoder.tokenize)
        data = module.transfer_batch_to_device(data, torch.device(device), 0)
        optimizer, found = torch.optim.AdamW(module.parameters(), lr=1e-3), []
        for _ in range(4):
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
                loss = module.loss(data)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        after = torch.cat([p.detach().flatten().cpu() for p in module.parameters()])
        return found, after - before

    (expected, moved), (found, moved_half) = trained("cpu", "float32"), trained(device, "bf16")
    assert found == pytest.approx(expected, rel=0.02)
    assert expected[-1] < 0.9 * expected[0]  # it learned
    assert found != expected
    assert torch.nn.functional.cosine_similarity(moved, moved_half, dim=0) > 0.9


@pytest.mark.gpu  # on a CPU: tests/llm/test_packed_scoring.py
@pytest.mark.parametrize("attention", ["sdpa", "flex_attention"])
@pytest.mark.parametrize(("model_type", "settings"), [("llama", {}), ("qwen2", {}), ("mistral", {"sliding_window": 4})])
def test_packed_scores_agree_with_brute_force_on_a_cpu(model_type, settings, attention):
    on_cpu, requests = tiny(model_type, **settings), some_requests()
    model = copy.deepcopy(on_cpu).cuda()
    with attending_by(model, attention):
        scores = score_packed(model, requests, 400)
    assert_same(scores, score_pair_by_pair(on_cpu, requests), tolerance=1e-2)


@pytest.mark.gpu
def test_faiss_on_gpus_finds_what_it_finds_on_a_cpu():
    vectors = np.random.default_rng(0).standard_normal((20_000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = []
    for gpu in (False, True):
        index = FaissIndex("Flat", gpu=gpu)
        index.add(vectors)
        found.append(index.search(vectors[:200], 10))
    (scores, positions), (gpu_scores, gpu_positions) = found
    shared = [len({*own} & {*other}) for own, other in zip(positions.tolist(), gpu_positions.tolist(), strict=True)]
    assert sum(shared) > 0.98 * positions.size  # half precision may turn near ties around
    np.testing.assert_allclose(gpu_scores, scores, atol=2e-3)
