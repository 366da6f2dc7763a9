"""Indexes of FAISS as files: mapped, merged, side by side, and what a full disk or a damaged file leaves."""

import filecmp
import os
import resource
import signal
import subprocess
import sys
import time

import faiss
import numpy as np
import pytest

from embedder.errors import ConfigError, DataError
from embedder.index.array_vectors import ArrayVectors
from embedder.index.faiss_index import FaissIndex
from embedder.index.fill import fill_index

FACTORIES = ["Flat", "HNSW16", "IVF16,Flat", "IVF16,SQ8", "IVF16,PQ4np", "IVF16,PQ4np,RFlat", "IVF16,PQ4np,Refine(SQ8)"]


@pytest.fixture(scope="module")
def vectors():
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(50, 16))
    return (centres[generator.integers(50, size=4_000)] + 0.5 * generator.normal(size=(4_000, 16))).astype(np.float32)


def settings(factory):
    found = {"nprobe": 4} if "IVF" in factory else {}
    return found | ({"k_factor": 4} if "R" in factory.split(",")[-1] else {})


def filled(factory, vectors):
    index = FaissIndex(factory, **settings(factory))
    fill_index(index, ArrayVectors(vectors))
    return index


def assert_same_answers(one, other, queries):
    for ours, theirs in zip(one.search(queries, 10), other.search(queries, 10), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_mapped_index_answers_as_the_one_in_memory(tmp_path, vectors, factory):
    index = filled(factory, vectors)
    index.save(tmp_path / "index")
    mapped = FaissIndex.load(tmp_path / "index", mapped=True)
    mapped.save(tmp_path / "copy")
    assert filecmp.cmp(tmp_path / "copy", tmp_path / "index", shallow=False)
    assert_same_answers(index, mapped, vectors[:50])
    np.testing.assert_array_equal(index.vectors(7, 20), mapped.vectors(7, 20))
    with pytest.raises(ConfigError, match="mapped: expected false where vectors are added"):
        mapped.add(vectors[:1])  # FAISS would end the process


def test_a_mapped_index_takes_no_memory_of_its_own(tmp_path, vectors):
    filled("IVF16,Flat", np.tile(vectors, (30, 4))).save(tmp_path / "index")  # 31 MB
    script = """
import sys
from pathlib import Path
from embedder.index.faiss_index import FaissIndex
import faiss, numpy as np
def private():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) // 1024
before = private()
index = FaissIndex.load(Path(sys.argv[1]), mapped=sys.argv[2] == "mapped", nprobe=16)
index.search(np.ones((4, 64), np.float32), 5)
print(private() - before)
"""
    taken = {
        how: int(subprocess.check_output([sys.executable, "-c", script, tmp_path / "index", how], text=True))
        for how in ("mapped", "read")
    }
    assert taken["mapped"] < 10 < 25 < taken["read"], taken


def filled_apart(factory, vectors, directory, cuts=(1500, 1501)):
    """Trained once, saved, and copies filled with parts of the corpus, as several machines would."""
    trained = FaissIndex(factory, **settings(factory))
    trained.begin(ArrayVectors(vectors))
    trained.save(directory / "trained")
    paths = []
    for number, part in enumerate(np.split(vectors, cuts)):
        index = FaissIndex.load(directory / "trained")
        index.add(part)
        paths.append(directory / f"part-{number}")
        index.save(paths[-1])
    return paths


@pytest.mark.parametrize("factory", [factory for factory in FACTORIES if "HNSW" not in factory])
def test_merged_parts_are_the_index_of_all(tmp_path, vectors, factory):
    merged = FaissIndex.merged(filled_apart(factory, vectors, tmp_path))
    index = filled(factory, vectors)
    assert len(merged) == len(vectors)
    assert_same_answers(index, merged, vectors[::100])
    np.testing.assert_array_equal(index.vectors(1490, 1510), merged.vectors(1490, 1510))


@pytest.mark.parametrize("factory", FACTORIES)
def test_files_side_by_side_answer_as_one_index(tmp_path, vectors, factory):
    shards = FaissIndex.load_shards(filled_apart(factory, vectors, tmp_path))
    index = filled(factory, vectors)
    assert len(shards) == len(vectors)
    found, expected = shards.search(vectors[::100], 10)[1], index.search(vectors[::100], 10)[1]
    same = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, expected, strict=True)])
    assert same == 1 if factory in ("Flat", "IVF16,Flat", "IVF16,SQ8") else same > 0.9  # each part refines K of its own
    np.testing.assert_array_equal(index.vectors(1490, 1510), shards.vectors(1490, 1510))
    with pytest.raises(ConfigError, match="mapped"):
        shards.add(vectors[:1])


def test_parts_that_were_trained_apart_are_not_merged(tmp_path, vectors):
    for number, part in enumerate(np.split(vectors, 2)):
        filled("IVF16,SQ8", part).save(tmp_path / str(number))
    with pytest.raises(DataError, match="1: trained apart from the first one"):
        FaissIndex.merged([tmp_path / "0", tmp_path / "1"])


def test_graphs_are_not_merged(tmp_path, vectors):
    paths = filled_apart("HNSW16", vectors[:1000], tmp_path, cuts=(500,))
    with pytest.raises(DataError, match="part-1: cannot be merged, but searched beside others"):
        FaissIndex.merged(paths)


def test_shards_of_other_dimensions_are_refused(tmp_path, vectors):
    for number, part in enumerate((vectors, vectors[:, :8])):
        filled("Flat", part).save(tmp_path / str(number))
    with pytest.raises(DataError, match=r"1: 8 dimensions, those of .*0 are 16"):
        FaissIndex.load_shards([tmp_path / "0", tmp_path / "1"])


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF16,SQ8"])
def test_a_file_that_was_cut_is_refused(tmp_path, vectors, factory, mapped):
    path = tmp_path / "index"
    filled(factory, vectors).save(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DataError, match="index: not a FAISS index"):
        FaissIndex.load(path, mapped=mapped)


@pytest.mark.parametrize("missing", [1, 100_000])
def test_a_full_disk_leaves_the_old_file(tmp_path, vectors, missing):
    """The limit ends the file in its last block, or in the middle; FAISS's own writer would not notice the first."""
    path = tmp_path / "index"
    index = filled("Flat", vectors)
    index.save(path)
    size, old = path.stat().st_size, path.read_bytes()
    index.add(vectors[:1])
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + vectors[0].nbytes - missing, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            index.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (path.read_bytes() == old) is True  # pytest would show how megabytes differ
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path, vectors):
    path = tmp_path / "index"
    filled("Flat", vectors).save(path)
    old = path.read_bytes()
    script = f"""
import numpy as np
from pathlib import Path
from embedder.index.faiss_index import FaissIndex
index = FaissIndex()
index.add(np.ones((200_000, 64)))
print("writing", flush=True)
while True:
    index.save(Path({str(path)!r}).with_name("new"))
    Path({str(path)!r}).with_name("new").unlink()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob(".new*.partial")) and time.monotonic() < deadline:
            time.sleep(0.001)
        process.kill()
    assert (path.read_bytes() == old) is True
    for left in tmp_path.glob("new"):
        FaissIndex.load(left)  # whole, if it is there


def test_settings_of_a_saved_index_can_be_changed(tmp_path, vectors):
    filled("IVF16,PQ4np,RFlat", vectors).save(tmp_path / "index")
    loaded = FaissIndex.load(tmp_path / "index", nprobe=16, k_factor=100)
    exact = filled("Flat", vectors)
    found, expected = loaded.search(vectors[:50], 5)[1], exact.search(vectors[:50], 5)[1]
    assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(found, expected, strict=True)]) > 0.95
    assert faiss.read_index(str(tmp_path / "index")).k_factor == 4  # the file is not changed
