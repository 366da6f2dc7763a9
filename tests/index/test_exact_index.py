import sys

import numpy as np
import pytest

from embedder.errors import ConfigError, MissingExtraError
from embedder.index import faiss_package
from embedder.index.array_vectors import ArrayVectors
from embedder.index.exact_index import ExactIndex
from embedder.index.exact_search import best_of_blocks
from embedder.index.faiss_index import FaissIndex
from embedder.index.fill import fill_index
from embedder.types import VectorIndex


def random_vectors(n, dimension=24, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)


@pytest.mark.parametrize("block_mb", [1e-4, 0.01, 64])  # one vector, 104 vectors, and all of them at a time
def test_it_finds_what_flat_finds(block_mb):
    vectors, queries = random_vectors(1000), random_vectors(300, seed=1)
    exact, flat = ExactIndex(block_mb), FaissIndex()
    for index in (exact, flat):
        assert isinstance(index, VectorIndex)
        fill_index(index, ArrayVectors(vectors))
    for ours, theirs in zip(exact.search(queries, 10), flat.search(queries, 10), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    np.testing.assert_array_equal(exact.vectors(3, 9), vectors[3:9])


@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_of_equal_scores_the_first_wins(block):
    vectors = np.array([[1], [2], [2], [1], [2], [3], [2]], np.float32)
    ranges = [(start, min(start + block, 7)) for start in range(0, 7, block)]
    scores, positions = best_of_blocks(np.ones((1, 1), np.float32), lambda a, b: vectors[a:b], ranges, 4)
    assert positions.tolist() == [[5, 1, 2, 4]]
    assert scores.tolist() == [[3, 2, 2, 2]]


def test_vectors_are_read_where_they_are():
    """Nothing is copied: what is mapped from a file stays there."""
    array = random_vectors(50).astype(np.float16)
    index = ExactIndex()
    fill_index(index, ArrayVectors(array))
    array[7] = 100  # the index sees it
    assert index.search(np.ones((1, 24), np.float32), 1)[1].tolist() == [[7]]


def test_vectors_can_be_added_one_after_the_other():
    index = ExactIndex()
    assert index.search(np.ones((1, 2), np.float32), 2)[1].tolist() == [[-1, -1]]
    index.add(np.eye(2, dtype=np.float32))
    index.add(np.full((1, 2), 3, np.float32))
    assert index.search(np.ones((1, 2), np.float32), 5)[1].tolist() == [[2, 0, 1, -1, -1]]


def test_wrong_vectors_are_refused():
    index = ExactIndex()
    array = random_vectors(100)
    fill_index(index, ArrayVectors(array))
    with pytest.raises(ValueError, match=r"queries: expected the shape \[n, 24\], got \[1, 3\]"):
        index.search(np.ones((1, 3), np.float32), 1)
    with pytest.raises(ValueError, match="queries: 1 rows"):
        index.search(np.full((1, 24), np.nan, np.float32), 1)
    with pytest.raises(ValueError, match=r"vectors: expected the shape \[n, 24\]"):
        index.add(np.ones((1, 3), np.float32))
    array[42] = np.inf
    with pytest.raises(ValueError, match="vectors: 1 rows hold NaN or infinity, the first of them at position 42"):
        index.search(array[:1], 1)
    with pytest.raises(ConfigError, match=r"index.block_mb: expected a number above 0"):
        ExactIndex(block_mb=0)


@pytest.fixture
def fresh_module():
    faiss_package.faiss_module.cache_clear()
    yield
    faiss_package.faiss_module.cache_clear()


@pytest.mark.usefixtures("fresh_module")
def test_without_faiss_one_line_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setattr(faiss_package, "installed_faiss", dict)
    with pytest.raises(
        MissingExtraError, match=r"pip install faiss-cpu .or faiss-gpu.; index=exact searches without it"
    ):
        FaissIndex().add(np.eye(2))
    index = ExactIndex()
    index.add(np.eye(2))
    assert index.search(np.eye(2, dtype=np.float32), 1)[1].tolist() == [[0], [1]]


@pytest.mark.usefixtures("fresh_module")
def test_two_packages_of_faiss_are_refused(monkeypatch):
    monkeypatch.setattr(faiss_package, "version", lambda name: "1.15.1")
    monkeypatch.setattr(faiss_package, "_WHEELS", ("faiss-cpu", "faiss-gpu"))
    with pytest.raises(ConfigError, match="pip uninstall faiss-cpu faiss-gpu, then install one of them again"):
        FaissIndex().add(np.eye(2))
