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
from embedder.index.faiss_factory import new_index, training_size
from embedder.index.faiss_index import FaissIndex
from embedder.index.fill import fill_index, spread
from embedder.index.kept_index import FORMAT

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
    with pytest.raises(ConfigError, match="index: expected one in memory where vectors are added"):
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


def stored(vectors, directory):
    """Vectors with a place for their index, as those of a corpus have."""
    return ArrayVectors(vectors, beside=directory / "index-0123456789ab")


def name_of(factory, part):
    return f"index-0123456789ab-{FORMAT}-{factory}-{part}.faiss"


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("factory", [factory for factory in FACTORIES if factory != "Flat"])
def test_an_index_beside_its_vectors_is_built_once_and_answers_as_the_one_in_memory(tmp_path, vectors, factory, parts):
    begins = []
    for _ in range(2):
        index = FaissIndex(factory, parts=parts, **settings(factory))
        fill_index(index, stored(vectors, tmp_path))
        begins.append((index.was_found, times(tmp_path)))
    assert [found for found, _ in begins] == [False, True]
    assert begins[0][1] == begins[1][1]
    names = [name_of(factory, f"{number}-of-{parts}") for number in range(1, parts + 1)]
    assert sorted(begins[0][1]) == [*names, name_of(factory, "trained")]
    in_memory = filled(factory, vectors)
    assert (len(index), index.nbytes > 0) == (len(vectors), True)
    np.testing.assert_array_equal(in_memory.vectors(1300, 1400), index.vectors(1300, 1400))
    with pytest.raises(ConfigError, match=r"index: expected one in memory .* kept beside its vectors .*-1-of-"):
        index.add(vectors[:1])
    if parts == 1 or factory in ("IVF16,Flat", "IVF16,SQ8"):
        assert_same_answers(in_memory, index, vectors[::100])
    else:  # each part refines K of its own, or has a graph of its own
        exact = filled("Flat", vectors).search(vectors[::100], 10)[1]
        found, expected = (recall(one.search(vectors[::100], 10)[1], exact) for one in (index, in_memory))
        assert found >= expected


def recall(found, exact):
    return np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)])


@pytest.mark.parametrize("factory", [factory for factory in FACTORIES if "IVF" in factory])
def test_merged_parts_are_the_file_that_one_part_would_be(tmp_path, vectors, factory):
    (other := tmp_path / "whole").mkdir()
    fill_index(FaissIndex(factory), stored(vectors, other))
    fill_index(FaissIndex(factory, parts=3, merge=True), stored(vectors, tmp_path))
    path = tmp_path / name_of(factory, "1-of-1")
    assert set(tmp_path.glob("*.faiss")) == {path, tmp_path / name_of(factory, "trained")}
    index = FaissIndex(factory, **settings(factory))
    fill_index(index, stored(vectors, tmp_path))
    assert index.was_found
    assert_same_answers(index, filled(factory, vectors), vectors[::100])
    assert filecmp.cmp(path, other / path.name, shallow=False)


def test_runs_with_other_parts_train_nothing_again_and_leave_each_others_files(tmp_path, vectors, caplog):
    caplog.set_level("INFO")
    before = {}
    for parts, merge in ((3, False), (3, True), (2, False), (3, False), (3, True)):
        index = FaissIndex("IVF16,SQ8", parts=parts, merge=merge)
        fill_index(index, stored(vectors, tmp_path))
        assert before.items() <= times(tmp_path).items()
        before = times(tmp_path)
    assert index.was_found
    kept = ["1-of-1", "1-of-2", "1-of-3", "2-of-2", "2-of-3", "3-of-3", "trained"]
    assert sorted(before) == [name_of("IVF16,SQ8", part) for part in kept]
    assert caplog.text.count("training IVF16,SQ8") == 1


@pytest.mark.parametrize("factory", ["SQ8", "IVF16,Flat", "IVF16,PQ4np,Refine(SQ8)"])
def test_parts_that_were_trained_apart_are_not_merged(tmp_path, vectors, factory):
    for name, searched in (("one", vectors), ("other", 2 * vectors[::-1])):
        (tmp_path / name).mkdir()
        fill_index(FaissIndex(factory, parts=2), stored(searched, tmp_path / name))
    for number, name in ((1, "one"), (2, "other")):
        path = tmp_path / name / name_of(factory, f"{number}-of-2")
        path.rename(tmp_path / "one" / name_of(factory, f"part-{number}-of-2"))
    with pytest.raises(DataError, match=r"part-2-of-2.faiss: trained apart from .*: delete index-\*.faiss"):
        fill_index(FaissIndex(factory, parts=2, merge=True), stored(vectors, tmp_path / "one"))
    for path in (tmp_path / "one").glob("index-*.faiss"):
        path.unlink()
    fill_index(FaissIndex(factory, parts=2, merge=True), stored(vectors, tmp_path / "one"))


def test_an_index_of_another_format_is_not_found(tmp_path, vectors, monkeypatch):
    """Where the second half fails, raise FORMAT: what was trained in another way must not be found."""
    fill_index(FaissIndex("IVF16,SQ8"), stored(vectors, tmp_path))
    monkeypatch.setattr("embedder.index.kept_index.FORMAT", FORMAT + 1)
    fill_index(index := FaissIndex("IVF16,SQ8"), stored(vectors, tmp_path))
    assert not index.was_found

    indexes = [new_index(factory, 64, 1_000_000) for factory in ("IVFn,SQ8", "IVFn,PQ64np", "IVF16,PQ64np", "PQ64np")]
    sizes = [training_size(index, 1_000_000) for index in indexes]
    clustering = indexes[0].cp.niter, indexes[0].cp.seed, indexes[0].cp.spherical
    trained = [*sizes, *spread(1_000_000, 4).tolist(), *clustering]
    assert (FORMAT, trained) == (2, [262144, 262144, 16384, 16384, 212656, 409240, 627784, 817446, 10, 1234, True])


def test_where_nothing_can_be_written_it_is_found_or_built_in_memory(tmp_path, vectors):
    np.save(tmp_path / "vectors.npy", vectors)
    (folder := tmp_path / "beside").mkdir()
    fill_index(FaissIndex("HNSW16"), stored(vectors, folder))
    before = times(folder)
    for path in (tmp_path, folder):
        path.chmod(0o555)
    script = f"""
import ctypes, os
from pathlib import Path
import numpy as np
from embedder.index.array_vectors import ArrayVectors
from embedder.index.faiss_index import FaissIndex
array = np.load({str(tmp_path / "vectors.npy")!r})
if os.geteuid() == 0:  # root may write anywhere, until it gives that up (CAP_DAC_OVERRIDE)
    libc, header, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    sets[0] &= ~2
    assert libc.capset(header, sets) == 0
for factory in ("HNSW16", "IVF16,Flat"):
    index = FaissIndex(factory)
    index.begin(ArrayVectors(array, beside=Path({str(folder)!r}) / "index-0123456789ab"))
    print(index.was_found, len(index))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.stdout.splitlines() == ["True 4000", "False 0"], ran.stderr
    assert f"nothing can be written into {folder} (Permission denied)" in ran.stderr
    assert times(folder) == before


@pytest.mark.parametrize("factory", ["HNSW16", "PCA8,Flat"])
def test_graphs_are_not_merged(tmp_path, vectors, factory):
    with pytest.raises(ConfigError, match=f"index.merge: expected false for {factory}: this kind cannot be merged"):
        fill_index(FaissIndex(factory, parts=2, merge=True), stored(vectors, tmp_path))
    assert not list(tmp_path.iterdir())


def test_vectors_that_are_not_finite_are_refused_and_no_file_is_left(tmp_path, vectors):
    wrong = vectors.copy()
    wrong[3999, 1] = np.nan
    with pytest.raises(ValueError, match="1 rows hold NaN or infinity, the first of them at position 3999"):
        fill_index(FaissIndex("HNSW16", parts=2), stored(wrong, tmp_path))
    assert {path.name.split("-")[-1] for path in tmp_path.iterdir()} == {"2.faiss", "trained.faiss"}


def test_a_flat_index_would_be_a_copy_and_is_not_kept(tmp_path, vectors):
    fill_index(FaissIndex("Flat"), stored(vectors, tmp_path))
    assert not list(tmp_path.iterdir())


def test_how_it_is_searched_is_not_kept(tmp_path, vectors):
    for nprobe in (16, None, 4):
        index = FaissIndex("IVF16,SQ8", nprobe=nprobe)
        fill_index(index, stored(vectors, tmp_path))
        other = FaissIndex("IVF16,SQ8", nprobe=nprobe)
        fill_index(other, ArrayVectors(vectors))
        assert_same_answers(index, other, vectors[:50])
    assert index.was_found


def test_a_damaged_or_missing_part_is_built_again_and_no_other(tmp_path, vectors, caplog):
    caplog.set_level("INFO")

    def built():
        index = FaissIndex("IVF16,SQ8", parts=3, nprobe=4)
        fill_index(index, stored(vectors, tmp_path))
        return index

    expected = built().search(vectors[:50], 10)[1]
    paths = sorted(tmp_path.iterdir())
    contents = [path.read_bytes() for path in paths]
    flipped = bytearray(contents[1])
    flipped[-100] ^= 1  # of a code: FAISS itself would not notice
    for damage in (bytes(flipped), contents[1][:-1], None):
        before = times(tmp_path)
        paths[1].unlink() if damage is None else paths[1].write_bytes(damage)
        np.testing.assert_array_equal(built().search(vectors[:50], 10)[1], expected)
        assert [path.read_bytes() == content for path, content in zip(paths, contents, strict=True)] == [True] * 4
        assert [name for name, time in times(tmp_path).items() if before.get(name) != time] == [paths[1].name]
    assert caplog.text.count("training IVF16,SQ8") == 1


@pytest.mark.parametrize("merge", [False, True])
def test_processes_share_the_parts_of_an_index_and_a_killed_one_leaves_whole_files(tmp_path, vectors, merge):
    np.save(tmp_path / "vectors.npy", np.tile(vectors, (10, 1)))
    (folder := tmp_path / "beside").mkdir()
    script = f"""
import os, signal, sys
from pathlib import Path
import numpy as np
from embedder.index import kept_index
from embedder.index.array_vectors import ArrayVectors
from embedder.index.faiss_index import FaissIndex
write, written = kept_index.write_index, []
def write_twice(index, path):
    if len(written) == 3:  # the trained one, and two parts
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(path)
    write(index, path)
if sys.argv[1].endswith("killed"):
    kept_index.write_index = write_twice
array = np.load({str(tmp_path / "vectors.npy")!r}, mmap_mode="r")
index = FaissIndex("IVF16,Flat", parts=40, merge={merge}, nprobe=4)
index.begin(ArrayVectors(array, beside=Path({str(folder)!r}) / "index-a"))
np.save(sys.argv[1], index.search(array[:50], 10)[1])
"""

    def start(name):
        return subprocess.Popen([sys.executable, "-c", script, str(tmp_path / name)])

    assert start("killed").wait(600) == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in folder.glob("*-of-40.faiss")}
    assert len(done) == 2
    with start("one") as one, start("two") as two:
        assert (one.wait(600), two.wait(600)) == (0, 0)
    if not merge:
        assert {path: path.stat().st_mtime_ns for path in done} == done
    left = {
        path.name.removeprefix(f"index-a-{FORMAT}-IVF16,Flat-") for path in folder.iterdir() if path.suffix != ".lock"
    }
    parts = {f"{number}-of-40.faiss" for number in range(1, 41)}
    assert left == ({"1-of-1.faiss"} if merge else parts) | {"trained.faiss"}  # no partial file
    in_memory = FaissIndex("IVF16,Flat", nprobe=4)
    fill_index(in_memory, ArrayVectors(np.tile(vectors, (10, 1))))
    expected = in_memory.search(vectors[:50], 10)[0]
    for name in ("one", "two"):
        positions = np.load(tmp_path / f"{name}.npy")
        scores = np.einsum("qd,qkd->qk", vectors[:50], vectors[positions % len(vectors)])
        np.testing.assert_allclose(scores, expected, rtol=1e-5)


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
