"""What runs by other code on a GPU gives what the CPU gives: `python -m pytest -m gpu tests/gpu`."""

import numpy as np
import pytest
import torch

from embedder.encoders.around import HalfPrecisionEncoder
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.unpadded import kernel_runs
from embedder.llm.packed_masks import attending_by
from embedder.llm.packed_scoring import score_packed
from embedder.types import Reading
from tests.encoders.test_encoder import TEXTS
from tests.llm.brute_force import score_pair_by_pair
from tests.llm.test_packed_scoring import assert_same, some_requests, tiny
from tests.tiny_models import tiny_backbone

pytestmark = pytest.mark.gpu


@pytest.fixture(params=["bert", "llama"])
def directory(tmp_path, request):
    return tiny_backbone(tmp_path, request.param, {"pad_token": "<pad>"})


def build(directory, device, **settings):
    return TextEncoder(EncoderConfig(str(directory), "mean", dropout=0.0, device=device, **settings))


def test_vectors_of_float32_are_those_of_the_cpu(directory):
    expected = build(directory, "cpu").encode(TEXTS, Reading("key"))
    np.testing.assert_allclose(build(directory, "cuda").encode(TEXTS, Reading("key")), expected, atol=1e-4)


def test_half_precision_without_padding_is_near(directory):
    expected = build(directory, "cpu").encode(TEXTS, Reading("key"))
    encoder = build(directory, "cuda")
    vectors = HalfPrecisionEncoder(encoder, "cuda").encode(TEXTS, Reading("key"))
    assert encoder._kernel_agrees  # the kernel ran, and what it gave was compared at its first use
    assert (vectors * expected).sum(1).min() > 0.999


def test_gradients_through_the_kernel_are_near_those_of_padded_rows(directory):
    gradients = []
    for unpadded in (False, True):
        encoder = build(directory, "cuda", unpadded=unpadded)
        tokens = {name: value.cuda() for name, value in encoder.tokenize(TEXTS).items()}
        with torch.autocast("cuda", torch.bfloat16):
            assert not unpadded or kernel_runs(encoder.backbone, torch.device("cuda"))
            vectors = encoder(tokens, "key")
        (vectors * torch.linspace(-1, 1, vectors.shape[1], device="cuda")).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None]))
    padded, unpadded = gradients
    assert torch.nn.functional.cosine_similarity(padded, unpadded, dim=0) > 0.99


@pytest.mark.parametrize("attention", ["sdpa", "flex_attention"])
@pytest.mark.parametrize(("model_type", "settings"), [("llama", {}), ("qwen2", {}), ("mistral", {"sliding_window": 4})])
def test_packed_scores_agree_with_brute_force(model_type, settings, attention):
    model, requests = tiny(model_type, **settings).cuda(), some_requests()
    with attending_by(model, attention):
        scores = score_packed(model, requests, 400)
    assert_same(scores, score_pair_by_pair(model, requests), tolerance=1e-2)
