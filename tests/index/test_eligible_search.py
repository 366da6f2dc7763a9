import numpy as np
import pytest

from embedder.index import eligible_search
from embedder.index.bm25_index import BM25Index
from embedder.index.eligible_search import search_eligible
from embedder.index.faiss_index import FaissIndex
from embedder.types import Eligible

N, D = 400, 8


@pytest.fixture(scope="module")
def vectors():
    drawn = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


ELIGIBLE = [
    Eligible(0, N),
    Eligible(0, N, frozenset({0, 7, 9})),
    Eligible(100, 150),
    Eligible(100, 150, frozenset(range(100, 147))),  # three are left
    Eligible(399, 400),
]


def by_loop(vectors, query, eligible, top_k):
    scores = sorted(((float(query @ vectors[p]), p) for p in range(N) if p in eligible), reverse=True)[:top_k]
    return [p for _, p in scores] + [-1] * (top_k - len(scores))


@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF4,Flat"])
def test_agrees_with_the_loop_over_eligible_vectors(vectors, factory, monkeypatch):
    monkeypatch.setattr(eligible_search, "BLOCK_BYTES", 16 * 4 * 8)  # several blocks a run
    index = FaissIndex(factory, nprobe=4 if "IVF" in factory else None, ef_search=400 if "HNSW" in factory else None)
    index.add(vectors)
    queries = np.stack([vectors[k] for k in (0, 0, 120, 121, 5)])
    scores, positions = search_eligible(index, queries, ELIGIBLE, 10, N)
    for row, eligible in enumerate(ELIGIBLE):
        assert positions[row].tolist() == by_loop(vectors, queries[row], eligible, 10)
    np.testing.assert_array_equal(np.isneginf(scores), positions == -1)
    assert scores[2, 0] == pytest.approx(1.0)  # the query's own vector


def test_a_narrow_run_is_searched_in_full_where_the_index_would_miss_it(vectors):
    index = FaissIndex("IVF16,Flat", nprobe=1)
    index.add(vectors)
    _, positions = search_eligible(index, vectors[:50], [Eligible(200, 205)] * 50, 5, N)
    assert (np.sort(positions, axis=1) == np.arange(200, 205)).all()


def test_vectors_are_read_back(vectors):
    for factory, tolerance in (("Flat", 0), ("IVF4,SQ8", 0.02)):
        index = FaissIndex(factory)
        index.add(vectors)
        np.testing.assert_allclose(index.vectors(17, 40), vectors[17:40], atol=tolerance)
    with pytest.raises(ValueError, match="positions 390 to 401 of 400"):
        index.vectors(390, 401)


def test_words_are_weighed_by_the_corpus_and_found_in_the_run():
    index = BM25Index()
    index.build(["red car", "red", "blue red", "red car", "green"])
    everything, _ = index.search(["red car"], 5)
    scores, positions = index.search(
        ["red car"] * 3, 5, [Eligible(1, 4), Eligible(0, 5, frozenset({0})), Eligible(4, 5)]
    )
    assert positions.tolist() == [[3, 1, 2, -1, -1], [3, 1, 2, -1, -1], [-1] * 5]
    assert scores[0, 0] == everything[0, 0]
    assert index.scores("red car", [3, 4, 0]).tolist() == [everything[0, 0], 0, everything[0, 0]]
