import faiss
import numpy as np
import pytest

from embedder.errors import ConfigError, DataError
from embedder.index.faiss_factory import new_index, training_size
from embedder.index.faiss_index import FaissIndex
from embedder.types import VectorIndex


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(generator, n, dimension=32, clusters=100):
    """Points around common centres, which is what makes lists worthwhile."""
    centres = np.random.default_rng(7).normal(size=(clusters, dimension))
    return unit(centres[generator.integers(clusters, size=n)] + 0.5 * generator.normal(size=(n, dimension)))


def brute_force(vectors, queries, top_k):
    return np.argsort(-queries @ vectors.T, axis=1, kind="stable")[:, :top_k]


def recall(found, expected):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, expected, strict=True)])


def test_three_vectors_by_hand():
    index = FaissIndex()
    assert isinstance(index, VectorIndex)
    index.add(np.array([[1, 0], [0, 1]], dtype=np.float32))
    index.add(np.array([[2, 1]], dtype=np.float32))  # positions count on, and the inner product is not normalised
    assert len(index) == 3
    scores, positions = index.search(np.array([[1, 0.5]], dtype=np.float32), 5)
    assert positions.tolist() == [[2, 0, 1, -1, -1]]
    assert scores.tolist() == [[2.5, 1.0, 0.5, -np.inf, -np.inf]]
    assert (scores.dtype, positions.dtype) == (np.float32, np.int64)


def test_flat_is_exact():
    generator = np.random.default_rng(0)
    vectors, queries = unit(generator.normal(size=(2000, 24))), unit(generator.normal(size=(50, 24)))
    index = FaissIndex()
    for shard in np.array_split(vectors, 3):
        index.add(shard)
    scores, positions = index.search(queries, 10)
    np.testing.assert_array_equal(positions, brute_force(vectors, queries, 10))
    np.testing.assert_allclose(scores, np.take_along_axis(queries @ vectors.T, positions, axis=1), rtol=1e-5)


def test_lists_of_bytes_find_most_and_more_lists_find_more():
    generator = np.random.default_rng(1)
    vectors, queries = clustered(generator, 10_000), clustered(generator, 100)
    expected = brute_force(vectors, queries, 10)
    recalls = []
    for nprobe in (1, 16):
        index = FaissIndex("IVF256,SQ8", nprobe=nprobe)
        index.add(vectors)
        recalls.append(recall(index.search(queries, 10)[1], expected))
    assert recalls[0] < recalls[1]
    assert recalls[1] > 0.9


def test_a_graph_finds_most():
    generator = np.random.default_rng(2)
    vectors, queries = clustered(generator, 2000), clustered(generator, 50)
    index = FaissIndex("HNSW32", ef_search=64)
    index.add(vectors)
    assert recall(index.search(queries, 10)[1], brute_force(vectors, queries, 10)) > 0.95


def test_an_empty_index_finds_nothing():
    scores, positions = FaissIndex().search(np.ones((2, 4), dtype=np.float32), 3)
    assert positions.tolist() == [[-1] * 3] * 2
    assert scores.tolist() == [[-np.inf] * 3] * 2


@pytest.mark.parametrize("factory", ["Flat", "IVF16,SQ8"])
def test_save_and_load_give_the_same_answers(tmp_path, factory):
    vectors = clustered(np.random.default_rng(3), 1000)
    nprobe = 4 if factory.startswith("IVF") else None
    index = FaissIndex(factory, nprobe=nprobe)
    index.add(vectors)
    path = tmp_path / "new" / "corpus.faiss"
    index.save(path)
    index.save(path)  # over the old one
    assert [file.name for file in path.parent.iterdir()] == ["corpus.faiss"]

    loaded = FaissIndex.load(path)
    for ours, theirs in zip(index.search(vectors[:20], 5), loaded.search(vectors[:20], 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    loaded.add(vectors[:1])
    assert len(loaded) == 1001


def test_a_failed_save_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "corpus.faiss"
    path.write_text("old")
    index = FaissIndex()
    index.add(np.ones((1, 4), dtype=np.float32))

    def fail(index, name):
        raise RuntimeError("disk full")

    monkeypatch.setattr(faiss, "write_index", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        index.save(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_our_index_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such index"):
        FaissIndex.load(tmp_path / "missing")
    (tmp_path / "text").write_text("this is not an index")
    with pytest.raises(DataError, match="not a FAISS index"):
        FaissIndex.load(tmp_path / "text")
    faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "l2"))
    with pytest.raises(DataError, match="by a distance"):
        FaissIndex.load(tmp_path / "l2")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factory": "Falt"}, r"index.factory: .*could not parse.*'Falt'"),
        ({"factory": "PQ3"}, "index.factory: .*multiple"),
        ({"parts": 2, "gpu": True}, r"index.parts: expected 1, or index.merge=true, where index.gpu=true"),
        ({"factory": "IVF256,SQ8"}, "index.factory: expected a factory that 100 vectors .* can train"),
        ({"nprobe": 4}, "index.nprobe: expected null"),
        ({"factory": "IVF4,Flat", "nprobe": 0}, "index.nprobe: expected 1 or more, or null, got 0"),
        ({"factory": "IVF4,Flat", "ef_search": 8}, "index.ef_search: expected null"),
        ({"factory": "IVF4,Flat", "k_factor": 8}, "index.k_factor: expected null"),
        ({"gpu": True}, "index.gpu: expected false, because faiss-.* sees no GPU here"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        FaissIndex(**settings).add(clustered(np.random.default_rng(4), 100))


@pytest.mark.parametrize("factory", ["IVF8,PQ4np", "IVF8,PQ4np,Refine(SQ8)", "PCA8,IVF8,PQ4np"])
def test_a_product_quantizer_is_trained_on_enough_and_without_a_warning_a_part(factory, capfd):
    index = new_index(factory, 16, 50_000)
    assert training_size(index, 50_000) == 64 * 256  # of the quantizer's centroids, not of the 8 lists
    index.train(np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32))
    assert "WARNING" not in "".join(capfd.readouterr())


def test_wrong_vectors_are_refused():
    index = FaissIndex()
    with pytest.raises(ValueError, match="1 rows hold NaN or infinity"):
        index.add(np.array([[1, 2], [np.nan, np.inf]], dtype=np.float32))
    index.add(np.ones((1, 2), dtype=np.float32))
    with pytest.raises(ValueError, match=r"expected the shape \[n, 2\], got \[1, 3\]"):
        index.add(np.ones((1, 3), dtype=np.float32))
    with pytest.raises(ValueError, match="queries: 1 rows"):
        index.search(np.full((1, 2), np.nan, dtype=np.float32), 1)
