import numpy as np
import pytest

from embedder.index.encode import index_corpus
from embedder.index.faiss_index import FaissIndex
from embedder.types import Reading


class LengthEncoder:
    """Turns a text into an angle by its length, and remembers what it was asked for."""

    dimension = 2

    def __init__(self):
        self.calls = []

    def encode(self, texts, reading, *, progress=False):
        self.calls.append((len(texts), reading.instruction, reading.max_length, reading.side))
        angles = np.array([len(reading.instruction + text) for text in texts]) / 10
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_positions_are_places_in_the_corpus_whatever_the_shards():
    texts = ["x" * n for n in range(10)]
    for shard_size in (1, 3, 10, 100):
        encoder, index = LengthEncoder(), FaissIndex()
        assert index_corpus(encoder, iter(texts), index, Reading("key"), shard_size=shard_size) == len(index) == 10
        assert index.search(encoder.encode(texts, Reading("query")), 1)[1].tolist() == [[n] for n in range(10)]


def test_shards_instruction_and_length_reach_the_encoder():
    encoder = LengthEncoder()
    index_corpus(encoder, ("a", "b", "c"), FaissIndex(), Reading("key", "key: ", 7), shard_size=2)
    assert encoder.calls == [(2, "key: ", 7, "key"), (1, "key: ", 7, "key")]


def test_no_more_than_one_shard_is_read_ahead():
    read = []

    def corpus():
        for n in range(10):
            read.append(n)
            yield "x"

    class Watching(FaissIndex):
        def add(self, vectors):
            super().add(vectors)
            assert len(read) <= len(self)

    assert index_corpus(LengthEncoder(), corpus(), Watching(), Reading("key"), shard_size=4) == 10


def test_an_empty_corpus_adds_nothing():
    index = FaissIndex()
    assert index_corpus(LengthEncoder(), [], index, Reading("key")) == len(index) == 0


def test_a_shard_of_nothing_is_refused():
    with pytest.raises(ValueError, match="shard_size"):
        index_corpus(LengthEncoder(), ["a"], FaissIndex(), Reading("key"), shard_size=0)
