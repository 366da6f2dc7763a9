import numpy as np
import pytest

from embedder.errors import ConfigError
from embedder.index.array_vectors import ArrayVectors
from embedder.index.faiss_index import FaissIndex
from embedder.index.fill import blocks, fill_index, spread
from embedder.types import Vectors


def test_vectors_of_half_precision_are_read_as_float32():
    vectors = ArrayVectors(np.arange(6, dtype=np.float16).reshape(3, 2))
    assert isinstance(vectors, Vectors)
    assert (len(vectors), vectors.dimension, dict(vectors.about)) == (3, 2, {})
    assert vectors.rows(1, 3).tolist() == [[2, 3], [4, 5]]
    assert vectors.at(np.array([2, 0])).tolist() == [[4, 5], [0, 1]]
    assert vectors.rows(0, 1).dtype == vectors.at(np.array([0])).dtype == np.float32


@pytest.mark.parametrize(("count", "n"), [(10, 3), (10, 9), (10, 10), (10, 11), (1000, 7)])
def test_a_sample_has_one_position_of_each_stretch(count, n):
    positions = spread(count, n)
    assert len(positions) == min(n, count)
    for number, position in enumerate(positions):
        assert number * count // len(positions) <= position < (number + 1) * count // len(positions)


def test_blocks_cover_all_once():
    assert [p for start, stop in blocks(3, 20, 4, 64) for p in range(start, stop)] == list(range(3, 20))
    assert blocks(5, 5, 4, 64) == []
    assert blocks(0, 2, 100, 1) == [(0, 1), (1, 2)]  # one vector at least


def sorted_clusters(n, dimension=16, clusters=16):
    """As of a corpus whose documents come one after the other: neighbours are alike."""
    generator = np.random.default_rng(0)
    centres = np.repeat(generator.normal(size=(clusters, dimension)), n // clusters, axis=0)
    return (centres + 0.1 * generator.normal(size=centres.shape)).astype(np.float32)


def test_positions_are_those_of_the_corpus_however_it_is_cut(monkeypatch):
    monkeypatch.setattr("embedder.index.fill.BLOCK_BYTES", 999)
    array = sorted_clusters(800)
    index = FaissIndex("Flat")
    fill_index(index, ArrayVectors(array), progress=True)
    assert len(index) == 800
    np.testing.assert_array_equal(index.vectors(0, 800), array)


def test_lists_are_those_of_all_of_the_corpus_and_not_of_its_start(monkeypatch):
    """With lists of the first cluster alone, every vector of the others would lie in a few of them."""
    monkeypatch.setattr("embedder.index.faiss_factory._FEWEST", 4)
    monkeypatch.setattr("embedder.index.faiss_factory._MOST", 4)
    array = sorted_clusters(16_000)
    index = FaissIndex("IVF256,Flat", nprobe=1)
    fill_index(index, ArrayVectors(array))
    first = FaissIndex("IVF256,Flat", nprobe=1)
    first.add(array[:1024])
    first.add(array[1024:])
    spread_out, bunched = (largest_list(one._index) for one in (index, first))
    assert spread_out * 4 < bunched


def largest_list(index):
    return max(index.get_list_size(number) for number in range(index.nlist))


def test_an_empty_corpus_adds_nothing():
    index = FaissIndex("IVF256,SQ8")
    fill_index(index, ArrayVectors(np.empty((0, 8), np.float32)))
    assert len(index) == 0


def test_too_few_vectors_to_train_on_are_refused():
    with pytest.raises(ConfigError, match=r"index.factory: expected a factory that 100 vectors of 8 dimensions can"):
        fill_index(FaissIndex("IVF256,SQ8"), ArrayVectors(np.ones((100, 8), np.float32)))


def test_vectors_that_are_not_finite_are_refused_before_training():
    array = np.ones((300, 8), np.float32)
    array[7, 1] = np.nan
    with pytest.raises(ValueError, match="1 rows hold NaN"):
        fill_index(FaissIndex("IVF256,SQ8"), ArrayVectors(array))
