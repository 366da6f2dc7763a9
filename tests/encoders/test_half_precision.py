"""Encoding in bfloat16 stays close to float32 and gives unit vectors."""

import numpy as np
import torch

from embedder.encoders.around import HalfPrecisionEncoder
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.types import Encoder, Reading


def test_vectors_are_unit_and_close_but_not_the_same(bert_directory):
    whole = TextEncoder(EncoderConfig(str(bert_directory), "mean", device="cpu"))
    half = HalfPrecisionEncoder(whole, "cpu")
    texts = ["a text", "another one that is longer", "short"]
    expected, found = (one.encode(texts, Reading("key", "say: ", 16)) for one in (whole, half))
    assert isinstance(half, Encoder)
    assert half.dimension == whole.dimension
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert (expected * found).sum(1).min() > 0.999
    assert np.abs(expected - found).max() > 1e-5  # it did compute in bfloat16
    assert not torch.is_autocast_enabled("cpu")
