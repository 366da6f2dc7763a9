import io
import logging

import numpy as np
import pytest

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.index import cached_encoder
from embedder.index.cached_encoder import CachedEncoder
from embedder.types import Reading

TEXTS = [f"text {i} of the lighthouse" for i in range(10)]


class Counting:
    """The real encoder; counts the texts that it is given."""

    def __init__(self, encoder):
        self.encoder, self.dimension, self.count = encoder, encoder.dimension, 0

    def encode(self, texts, reading, *, progress=False):
        self.count += len(texts)
        return self.encoder.encode(texts, reading)


@pytest.fixture(scope="module")
def encoder(bert_directory):
    return TextEncoder(EncoderConfig(str(bert_directory), "mean"))


@pytest.fixture(autouse=True)
def blocks_of_four(monkeypatch):
    monkeypatch.setattr(cached_encoder, "_BLOCK", 4)


def test_no_key_is_encoded_twice_and_vectors_are_those_of_the_encoder(encoder, tmp_path):
    counting = Counting(encoder)
    expected = encoder.encode(TEXTS, Reading("key", "Read: ", 16))
    for _ in range(2):
        cached = CachedEncoder(counting, "one", tmp_path)  # as in another run
        np.testing.assert_allclose(cached.encode(TEXTS, Reading("key", "Read: ", 16)), expected, atol=1e-6)
        assert counting.count == 10
    cached.encode([*TEXTS[:8], "new"], Reading("key", "Read: ", 16))
    assert counting.count == 11  # blocks of four: the third one differs
    cached.encode(TEXTS, Reading("query"))
    assert counting.count == 21


def test_other_vectors_are_kept_apart(encoder, tmp_path):
    counting = Counting(encoder)
    seen = set()
    for fingerprint, instruction, length in (("a", "", None), ("b", "", None), ("a", "x", None), ("a", "", 8)):
        CachedEncoder(counting, fingerprint, tmp_path).encode(TEXTS[:2], Reading("key", instruction, length))
        seen |= {path.name for path in tmp_path.glob("*.npy")}
    assert (counting.count, len(seen)) == (8, 4)


def test_a_damaged_file_is_made_again(encoder, tmp_path, caplog):
    cached = CachedEncoder(encoder, "one", tmp_path)
    expected = cached.encode(TEXTS[:4], Reading("key"))
    (path,) = tmp_path.glob("*.npy")
    whole = path.read_bytes()
    start = len(whole) - 32 - expected.nbytes  # the digest stands behind the vectors
    flipped = whole[:start] + (-expected[:1]).tobytes() + whole[start + expected[:1].nbytes :]
    assert (np.load(io.BytesIO(flipped))[0] == -expected[0]).all()  # the sign of one row
    for damage in (flipped, whole[:100], whole[:-1], b"", b"no vectors"):
        path.write_bytes(damage)
        with caplog.at_level(logging.WARNING):
            np.testing.assert_array_equal(cached.encode(TEXTS[:4], Reading("key")), expected)
        assert "made again" in caplog.text
        caplog.clear()
        assert np.load(path).shape == expected.shape
