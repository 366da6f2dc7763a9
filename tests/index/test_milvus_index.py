"""An index in Milvus Lite: filled once, filled again after a kill, filtered, refused where it is another one's."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from embedder.errors import ConfigError, DataError, EmbedderError
from embedder.index.array_vectors import ArrayVectors
from embedder.index.eligible_search import search_eligible
from embedder.index.fill import fill_index
from embedder.index.milvus_collection import without_password
from embedder.index.milvus_index import milvus_index
from embedder.types import Eligible, VectorIndex

pytest.importorskip("pymilvus")

ABOUT = {"encoder": "e5", "instruction": "passage: "}


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)


@pytest.fixture
def made(tmp_path):
    """Makes indexes in one file, one at a time as Milvus Lite wants it, and closes the last one."""
    indexes = []

    def make(array, about=ABOUT, **settings):
        for index in indexes:
            index.close()
        indexes.append(milvus_index(str(tmp_path / "new" / "milvus.db"), **settings))
        fill_index(indexes[-1], ArrayVectors(array, about))
        return indexes[-1]

    yield make
    for index in indexes:
        index.close()


def exact(vectors, queries, top_k, among=None):
    scores = queries @ vectors.T
    if among is not None:
        scores[:, ~among] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :top_k]


def test_it_finds_what_exact_search_finds(made, vectors):
    index = made(vectors, collection="keys", batch=100)
    assert isinstance(index, VectorIndex)
    scores, positions = index.search(vectors[:5], 10)
    np.testing.assert_array_equal(positions, exact(vectors, vectors[:5], 10))
    np.testing.assert_allclose(scores, np.take_along_axis(vectors[:5] @ vectors.T, positions, axis=1), rtol=1e-5)
    np.testing.assert_allclose(index.vectors(7, 20), vectors[7:20])
    assert len(index) == 300
    assert index.search(vectors[:1], 400)[1][0, -100:].tolist() == [-1] * 100


def test_a_later_run_finds_it_filled(made, vectors, caplog, monkeypatch):
    first = made(vectors)  # named by what the vectors depend on
    expected = first.search(vectors[:3], 5)[1]
    monkeypatch.setattr("embedder.index.milvus_index.MilvusIndex.add", None)  # nothing is added again
    caplog.set_level("INFO")
    np.testing.assert_array_equal(made(vectors).search(vectors[:3], 5)[1], expected)
    assert "holds 300 of 300 vectors" in caplog.text


def test_what_a_killed_run_left_is_completed_without_duplicates(made, vectors, tmp_path):
    script = f"""
import sys, numpy as np
from embedder.index.array_vectors import ArrayVectors
from embedder.index.milvus_index import milvus_index
vectors = ArrayVectors(np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32), {ABOUT!r})
index = milvus_index({str(tmp_path / "new" / "milvus.db")!r}, collection="keys", batch=10)
for start in range(index.begin(vectors), 170, 10):
    index.add(vectors.rows(start, start + 10))
print("half", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    index = milvus_index(str(tmp_path / "new" / "milvus.db"), collection="keys")
    started = index.begin(ArrayVectors(vectors, ABOUT))
    assert 0 < started <= 170
    index.close()
    index = made(vectors, collection="keys")
    assert index._collection.count(0, 1000) == 300
    np.testing.assert_array_equal(index.search(vectors[:5], 10)[1], exact(vectors, vectors[:5], 10))


def test_behind_a_gap_vectors_are_written_again(made, vectors):
    index = made(vectors, collection="keys")
    index._collection._client.delete("keys", filter="key == 123")
    assert index._filled() == 123
    np.testing.assert_array_equal(made(vectors, collection="keys").vectors(120, 126), vectors[120:126])


def test_vectors_of_another_kind_are_refused_by_name(made, vectors):
    made(vectors, collection="keys")
    with pytest.raises(
        DataError,
        match=r"collection keys: holds vectors .*instruction: 'passage: ' there, 'query: ' here.*rebuild",
    ):
        made(vectors, {"encoder": "e5", "instruction": "query: "}, collection="keys")
    with pytest.raises(DataError, match="dimension: 8 there, 4 here"):
        made(vectors[:, :4], collection="keys")
    with pytest.raises(DataError, match="dimension: 8 there, 4 here"):
        made(vectors[:, :4], collection="keys", task="other")
    other = made(vectors[:, :4], collection="keys", rebuild=True)
    assert other.vectors(0, 1).shape == (1, 4)


def test_one_collection_holds_several_tasks(made, vectors):
    made(vectors, collection="keys", task="qa")
    tools = made(-vectors[:100], {"encoder": "e5", "instruction": "tool: "}, collection="keys", task="to'ol\"")
    np.testing.assert_array_equal(tools.search(vectors[:3], 5)[1], exact(-vectors[:100], vectors[:3], 5))
    np.testing.assert_array_equal(tools.vectors(3, 5), -vectors[3:5])
    passages = made(vectors, collection="keys", task="qa")
    np.testing.assert_array_equal(passages.search(vectors[:3], 5)[1], exact(vectors, vectors[:3], 5))
    passages = made(vectors[:50], {"encoder": "bge"}, collection="keys", task="qa", rebuild=True)  # the other stays
    np.testing.assert_array_equal(passages.search(vectors[:3], 5)[1], exact(vectors[:50], vectors[:3], 5))
    assert passages._collection.parts().keys() == {"qa", "to'ol\""}


@pytest.fixture
def metadata(tmp_path):
    path = tmp_path / "corpus.jsonl"
    rows = [{"id": f"k{n}", "text": "a text", "year": 1990 + n % 40, "language": "en"} for n in range(300)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_keys_are_filtered_by_their_metadata(made, vectors, metadata):
    index = made(
        vectors, metadata=str(metadata), fields=["year", "language"], filter='year >= 2020 and language == "en"'
    )
    recent = 1990 + np.arange(300) % 40 >= 2020
    np.testing.assert_array_equal(index.search(vectors[:9], 5)[1], exact(vectors, vectors[:9], 5, recent))


def test_queries_find_what_is_eligible_for_them(made, vectors):
    index = made(vectors)
    eligible = [Eligible(0, 300), Eligible(10, 14, frozenset({11})), Eligible(0, 300, frozenset({2})), Eligible(5, 5)]
    positions = search_eligible(index, vectors[:4], eligible, 6, 300)[1]
    for row, keys in enumerate(eligible):
        among = np.array([position in keys for position in range(300)])
        n = min(6, int(among.sum()))
        assert positions[row, n:].tolist() == [-1] * (6 - n)
        np.testing.assert_array_equal(positions[row, :n], exact(vectors, vectors[row : row + 1], 6, among)[0, :n])


def test_wrong_settings_and_files_are_refused(made, vectors, metadata, tmp_path):
    with pytest.raises(ConfigError, match=r"index.metadata: expected a file that has the fields \['year'\]"):
        milvus_index("milvus.db", fields=["year"])
    with pytest.raises(ConfigError, match=r"index.collection: expected a name"):
        made(vectors, {})
    with pytest.raises(DataError, match=r"corpus.jsonl:1: expected the fields .'month'., which index.fields names"):
        made(vectors, metadata=str(metadata), fields=["month"])
    with pytest.raises(DataError, match=r"corpus.jsonl: has 300 lines, but the corpus has more keys"):
        made(np.tile(vectors, (2, 1)), metadata=str(metadata), fields=["year"], collection="long")
    with pytest.raises(DataError, match=r"no such file .index.metadata"):
        made(vectors, metadata=str(tmp_path / "none.jsonl"), collection="none")
    array = vectors.copy()
    array[3, 2] = np.nan
    with pytest.raises(ValueError, match="vectors: 1 rows hold NaN or infinity, the first of them at position 3"):
        made(array, collection="nan")
    index = made(vectors, filter="year >=")
    with pytest.raises(EmbedderError, match=r"Milvus at .*milvus.db, collection embedder_.*"):
        index.search(vectors[:1], 5)
    with pytest.raises(ValueError, match=r"queries: expected the shape \[n, 8\]"):
        index.search(vectors[:1, :3], 5)


def test_an_empty_corpus_is_found_empty(made):
    index = made(np.empty((0, 8), np.float32))
    assert index.search(np.ones((2, 8), np.float32), 3)[1].tolist() == [[-1] * 3] * 2


def test_a_server_that_is_not_there_is_one_error(vectors):
    index = milvus_index("http://user:hunter2@127.0.0.1:9", collection="keys", timeout=1)
    with pytest.raises(EmbedderError, match=r"Milvus at http://127.0.0.1:9, collection keys: ") as error:
        fill_index(index, ArrayVectors(vectors))
    assert "hunter2" not in str(error.value)


def test_a_database_that_goes_away_loses_nothing(tmp_path, vectors):
    """A server of Milvus Lite in a process of its own is killed while it is filled, and started again."""
    port = 20_000 + os.getpid() % 20_000

    def serve():
        command = [
            sys.executable,
            "-m",
            "milvus_lite",
            "server",
            "--data-dir",
            str(tmp_path / "data"),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    server = serve()
    try:
        index = wait_for(lambda: started(port, vectors))
        for start in range(0, 100, 10):
            index.add(vectors[start : start + 10])
        server.kill()
        server.wait()
        with pytest.raises(
            EmbedderError, match=f"Milvus at http://127.0.0.1:{port}, collection keys: .*what was added stays"
        ):
            index.add(vectors[100:110])
        server = serve()
        index = wait_for(lambda: started(port, vectors))
        begin = len(index)
        assert begin <= 100
        fill_index(index, ArrayVectors(vectors, ABOUT))
        np.testing.assert_array_equal(index.search(vectors[:5], 10)[1], exact(vectors, vectors[:5], 10))
    finally:
        server.kill()
        server.wait()


def started(port, vectors):
    index = milvus_index(f"http://127.0.0.1:{port}", collection="keys", batch=10, timeout=2)
    index.begin(ArrayVectors(vectors, ABOUT))
    return index


def wait_for(make):
    deadline = time.monotonic() + 600
    while True:
        try:
            return make()
        except EmbedderError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_passwords_of_addresses_are_not_shown():
    assert without_password("http://user:secret@host:19530") == "http://host:19530"
    assert without_password("folder/milvus.db") == "folder/milvus.db"
