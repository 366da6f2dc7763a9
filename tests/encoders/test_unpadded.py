"""Texts as one row without padding give the vectors and gradients of padded rows, where the model can."""

import itertools

import numpy as np
import pytest
import torch

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.unpadded import _attend_at_once, _attend_in_groups
from embedder.types import Reading
from tests.encoders.test_encoder import DECODERS, ENCODERS, GROUPED, TEXTS, one_at_a_time
from tests.tiny_models import ROBERTA_TOKENS, tiny_backbone

CAN = {"bert", "distilbert", "roberta", "xlm-roberta", *DECODERS}


def build(directory, **settings):
    return TextEncoder(EncoderConfig(str(directory), device="cpu", **settings))


def gradients(encoder):
    encoder.zero_grad()
    torch.manual_seed(0)
    vectors = encoder(encoder.tokenize(TEXTS), "key")
    (vectors * torch.linspace(-1, 1, vectors.shape[1])).sum().backward()
    return {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", [*ENCODERS, *DECODERS])
def test_vectors_and_gradients_are_those_of_padded_rows(tmp_path, kind):
    special = ROBERTA_TOKENS if kind in ("roberta", "xlm-roberta", "mpnet") else {"pad_token": "<pad>"}
    settings = DECODERS[kind] | GROUPED if kind in DECODERS else ENCODERS[kind]
    directory = tiny_backbone(tmp_path, kind, special, **settings)
    padded, unpadded = (build(directory, pooling="mean", unpadded=value, dropout=0.0) for value in (False, True))
    assert not padded._can_unpad
    assert unpadded._can_unpad == (kind in CAN)  # the others stay as they were: relative places, windows
    np.testing.assert_allclose(unpadded.encode(TEXTS, Reading("key")), one_at_a_time(padded, TEXTS), atol=1e-5)
    expected, found = gradients(padded), gradients(unpadded)
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [{"gradient_checkpointing": True}, {"lora": {"r": 2}}, {"bidirectional": True}])
def test_it_goes_together_with_what_changes_a_decoder(tmp_path, settings):
    directory = tiny_backbone(tmp_path, "llama", {"pad_token": "<pad>"})
    padded, unpadded = (build(directory, pooling="last", unpadded=value, **settings) for value in (False, True))
    if "lora" in settings:
        unpadded.load_state_dict(padded.state_dict())  # adapters start at random
    assert unpadded._can_unpad
    expected, found = gradients(padded), gradients(unpadded)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_a_row_may_be_longer_than_the_model_reads(tmp_path):
    directory = tiny_backbone(tmp_path, "bert", {"pad_token": "<pad>"})
    padded, unpadded = (build(directory, pooling="cls", unpadded=value) for value in (False, True))
    texts = TEXTS * 8  # together more tokens than there are places
    assert unpadded.tokenize(texts)["attention_mask"].sum() > unpadded.max_length
    np.testing.assert_allclose(unpadded.encode(texts, Reading("key")), padded.encode(texts, Reading("key")), atol=1e-5)


def test_no_token_runs_for_nothing(bert_directory):
    encoder = build(bert_directory, pooling="mean")
    tokens = encoder.tokenize(TEXTS)
    encoder(tokens, "key")
    assert encoder.tokens_run == int(tokens["attention_mask"].sum()) < tokens["attention_mask"].numel()


@pytest.mark.parametrize("causal", [False, True])
def test_the_kernel_of_a_gpu_is_given_what_it_asks_for(monkeypatch, causal):
    """The kernel itself runs in tests/gpu; here its documented meaning, text by text, stands in its place."""

    def kernel(query, key, value, ends, key_ends, longest, key_longest, *, scale, window_size, enable_gqa):
        assert ends.dtype == torch.int32
        assert (longest, key_longest) == (5, 5)
        outputs = []
        for start, stop in itertools.pairwise(ends.tolist()):
            q, k, v = (tensor[start:stop].transpose(0, 1)[None] for tensor in (query, key, value))
            outputs.append(
                torch.nn.functional.scaled_dot_product_attention(
                    q, k, v, is_causal=window_size == (-1, 0), scale=scale, enable_gqa=enable_gqa
                )[0].transpose(0, 1)
            )
        return torch.cat(outputs)

    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", kernel)
    torch.manual_seed(0)
    row = torch.randn(4, 11, 8), torch.randn(2, 11, 8), torch.randn(2, 11, 8)
    at_once = _attend_at_once(row, [5, 3, 3], causal, 0.3)
    torch.testing.assert_close(at_once, _attend_in_groups(row, [5, 3, 3], causal, 0.3, dropout=0.0))
