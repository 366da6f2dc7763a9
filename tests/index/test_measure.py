import numpy as np
import pytest

from embedder.index.array_vectors import ArrayVectors
from embedder.index.exact_index import ExactIndex
from embedder.index.faiss_index import FaissIndex
from embedder.index.measure import Truth, measure_index

VECTORS = ArrayVectors(np.array([[3, 0], [2, 0], [2, 0], [1, 0], [0, 1]], np.float32))


def test_recall_by_hand():
    truth = Truth.of(VECTORS, np.array([[1, 0], [0, 1]], np.float32), 2)
    assert truth.least.tolist() == [2, 0]  # second best: 2 of the first query, and 0 of the second
    assert truth.recall(VECTORS, np.array([[0, 1], [4, 0]])) == 1
    assert truth.recall(VECTORS, np.array([[0, 2], [4, 3]])) == 1  # of equal vectors it makes no difference which
    assert truth.recall(VECTORS, np.array([[0, 3], [4, -1]])) == 0.5
    assert truth.recall(VECTORS, np.full((2, 2), -1)) == 0


def test_more_than_there_are_cannot_be_found():
    assert Truth.of(VECTORS, np.ones((1, 2), np.float32), 10).top_k == 5


def test_what_an_index_costs():
    generator = np.random.default_rng(0)
    vectors = ArrayVectors(generator.normal(size=(2000, 16)).astype(np.float32))
    truth = Truth.of(vectors, generator.normal(size=(20, 16)).astype(np.float32), 10)
    flat = measure_index(FaissIndex(), vectors, truth)
    assert flat.recall == 1
    assert flat.bytes_per_vector == pytest.approx(64, abs=0.1)
    assert 0 < flat.p50_ms <= flat.p95_ms
    assert min(flat.queries_per_second, flat.build_seconds) > 0
    small = measure_index(FaissIndex("IVF16,SQ8", nprobe=1), vectors, truth)
    assert small.recall < 1
    assert small.bytes_per_vector == pytest.approx(16 + 8, abs=2)  # a byte a dimension, and its position
    assert measure_index(ExactIndex(), vectors, truth).bytes_per_vector is None


def test_the_size_is_that_of_the_file(tmp_path):
    index = FaissIndex("HNSW16")
    assert index.nbytes == 0
    index.add(np.random.default_rng(0).normal(size=(100, 8)))
    index.save(tmp_path / "index")
    assert index.nbytes + 32 == (tmp_path / "index").stat().st_size  # SHA-256 lies behind it
