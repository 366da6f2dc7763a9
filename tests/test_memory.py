"""A file that memory is too short to read is not called damaged: it would be made, or paid, again."""

import subprocess
import sys

import pytest

from embedder.entry.faults import message_for_user
from embedder.errors import ConfigError, DataError, lacks_memory, reading

_READ = """
import resource, struct, sys
from pathlib import Path
import faiss, numpy as np, pyarrow as pa
from embedder.data.jsonl import JsonLines
from embedder.data.known_positives import KnownPositives
from embedder.data.reward_column import RewardColumn
from embedder.entry.faults import message_for_user
from embedder.index.faiss_files import read_index
from embedder.models.weights import check_kinds
from embedder.rewards.tables import rewards_of_file
from embedder.training.fresh_negatives import FreshNegatives, published
from embedder.vectors.shard import open_shard

SIZE = 64 << 30  # bytes of files with holes, which take no place on the disk
folder = Path(sys.argv[1])

def write(name, head):
    with (folder / name).open("wb") as file:
        file.write(head)
        file.truncate(len(head) + SIZE)
    return folder / name

head = np.lib.format.magic(1, 0) + struct.pack("<H", 118)
head += str({"descr": "<f4", "fortran_order": False, "shape": (SIZE // 4,)}).encode().ljust(117) + b"\\n"
array = write("0.npy", head)
index = faiss.IndexFlatIP(64)
index.add(np.zeros((10, 64), np.float32))
flat = bytearray(faiss.serialize_index(index).tobytes())
place = flat.find(struct.pack("<q", 640))  # numbers in it
flat[place : place + 8] = struct.pack("<q", SIZE // 4)
flat = write("flat.faiss", bytes(flat[: place + 8]))
weights = b'{"a.weight":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (SIZE // 4, SIZE)
write("model.safetensors", struct.pack("<Q", len(weights)) + weights)
arrow = write("scores.arrow", b"ARROW1\\0\\0")
lines = write("corpus.jsonl", b"{}\\n")
(folder / "manifest.json").write_text('{"tables": ["qa"]}')
(folder / "config.json").write_text("{}")
readers = {
    "vectors": lambda: open_shard(array),
    "rewards": lambda: RewardColumn(array),
    "positives": lambda: KnownPositives(array),
    "negatives": lambda: FreshNegatives(array, None),
    "published negatives": lambda: published(folder, ""),
    "mapped index": lambda: read_index(flat, mapped=True),
    "index": lambda: read_index(flat, mapped=False),
    "model": lambda: check_kinds(folder, "encoder.name", "a", "a model"),
    "log-likelihoods": lambda: list(rewards_of_file(arrow, None)),
    "lines": lambda: JsonLines(lines),
}
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30),) * 2)
for name, read in readers.items():
    try:
        read()
    except Exception as error:
        print(name, type(error).__name__, message_for_user(error), sep=": ")
"""


def test_what_cannot_be_mapped_or_read_for_lack_of_memory_is_told_as_that(tmp_path):
    done = subprocess.run([sys.executable, "-c", _READ, tmp_path], capture_output=True, text=True, check=True)
    told = done.stdout.splitlines()
    assert len(told) == 10, told
    for line in told:
        assert "DataError" not in line
        assert "ConfigError" not in line
        assert ": out of memory (" in line


def test_wrong_bytes_are_said_of_the_file_and_a_lack_of_memory_is_not(tmp_path):
    for error, told in ((ValueError("cut"), DataError), (RuntimeError("bad_alloc"), RuntimeError)):
        with pytest.raises(told) as raised, reading(tmp_path, "no whole file: delete it", ValueError, RuntimeError):
            raise error
    assert lacks_memory(raised.value)
    with pytest.raises(KeyError), reading(tmp_path, "no whole file", ValueError):
        raise KeyError


def test_no_setting_or_file_is_blamed_for_an_error_that_began_as_a_lack_of_memory():
    blamed = ConfigError("index.factory", "a factory that can be trained", "IVF4096")
    blamed.__cause__ = RuntimeError("Error in faiss: std::bad_alloc")
    assert message_for_user(blamed).startswith("out of memory (Error in faiss: std::bad_alloc); ")
