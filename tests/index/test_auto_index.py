from dataclasses import replace

import numpy as np
import pytest

from embedder.errors import ConfigError
from embedder.index.array_vectors import ArrayVectors
from embedder.index.auto_index import AutoIndex, choose, kinds
from embedder.index.faiss_index import FaissIndex
from embedder.index.fill import fill_index
from embedder.index.measure import Truth
from embedder.types import VectorIndex


@pytest.fixture(scope="module")
def vectors():
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(60, 8))
    array = centres[generator.integers(60, size=3000)] + 0.7 * generator.normal(size=(3000, 8))
    return ArrayVectors((array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32))


def test_bytes_are_those_of_files(vectors):
    for kind in kinds(vectors.dimension):
        index = FaissIndex(kind.factory)
        fill_index(index, vectors)
        fixed = 4 * 8 * (256 + 256) + 20_000  # centroids
        assert index.nbytes == pytest.approx(3000 * kind.bytes_per_vector, rel=0.03, abs=fixed), kind.factory


@pytest.mark.parametrize(
    ("count", "recall", "memory", "factory"),
    [
        (100_000, 0.9, 1e9, "Flat"),
        (1_000_000, 1.0, 2e9, "Flat"),
        (1_000_000, 0.9, 2e9, "HNSW32"),
        (1_000_000, 0.9, 1e9, "IVFn,SQ8"),
        (1_000_000, 0.9, 3e8, "IVFn,PQ64np,Refine(SQ4)"),
        (1_000_000, 0.9, 1e8, "IVFn,PQ64np"),
    ],
)
def test_the_best_that_fits_is_chosen(count, recall, memory, factory):
    assert choose(count, 384, recall, memory)[0].factory == factory


def test_what_fits_nowhere_is_refused():
    with pytest.raises(ConfigError, match=r"index.memory_gb: expected 0.07 or more for 1000000 vectors"):
        choose(1_000_000, 384, 0.9, 1e6)
    with pytest.raises(ConfigError, match=r"index.memory_gb: expected 1.54 or more"):
        choose(1_000_000, 384, 1.0, 1e9)


@pytest.mark.parametrize("memory_gb", [1, 5e-5])
def test_it_searches_as_long_as_the_recall_needs(vectors, memory_gb, caplog, monkeypatch, tmp_path):
    monkeypatch.setattr("embedder.index.auto_index._FLAT_NUMBERS", 1000)
    caplog.set_level("INFO")
    index = AutoIndex(recall=0.9, memory_gb=memory_gb)
    assert isinstance(index, VectorIndex)
    for found_before in (False, True):
        index = AutoIndex(recall=0.9, memory_gb=memory_gb)
        fill_index(index, replace(vectors, beside=tmp_path / "index-a"))
        assert ("found the index" in caplog.text) == index.was_found == found_before
    assert {1: "HNSW32", 5e-5: "IVFn,SQ8"}[memory_gb] in caplog.text
    assert "of the 10 best keys of a key" in caplog.text
    truth = Truth.of(vectors, vectors.rows(3, 150), 10)
    found = truth.recall(vectors, index.search(truth.queries, 10)[1])
    reached = not any(record.levelname == "WARNING" for record in caplog.records if "auto" in record.message)
    assert found > 0.85 or not reached


def test_few_vectors_are_searched_exactly(vectors, caplog):
    caplog.set_level("INFO")
    index = AutoIndex()
    fill_index(index, vectors)
    assert "index=auto: Flat for 3,000 vectors of 8 dimensions" in caplog.text
    assert index.search(vectors.rows(5, 6), 1)[1].tolist() == [[5]]
    assert index.vectors(0, 2).shape == (2, 8)
    fill_index(AutoIndex(), ArrayVectors(np.empty((0, 8), np.float32)))


def test_refinement_compares_more_than_it_returns(monkeypatch):
    monkeypatch.setattr("embedder.index.auto_index._FLAT_NUMBERS", 1000)
    vectors = ArrayVectors(np.random.default_rng(3).normal(size=(2000, 256)).astype(np.float32))
    index = AutoIndex(recall=0.99, memory_gb=2000 * 220 / 1e9)
    fill_index(index, vectors)
    truth = Truth.of(vectors, vectors.rows(3, 150), 10)
    found = truth.recall(vectors, index.search(truth.queries, 10)[1])
    plain = FaissIndex("IVFn,PQ64np,Refine(SQ4)", nprobe=1000)
    fill_index(plain, vectors)
    assert found > truth.recall(vectors, plain.search(truth.queries, 10)[1]) + 0.1
