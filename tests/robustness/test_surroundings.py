"""A full disk, one that can only be read, too little memory, and two runs at once: one line of advice, and no harm."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from signal import SIGABRT, SIGSEGV

import pytest

from tests.robustness.chain import Chain, done, write_data
from tests.robustness.forked import Command
from tests.robustness.outcomes import contents, scores, weights

pytestmark = pytest.mark.slow

OUTCOMES = {
    "prepare": lambda root: contents(root / "data" / "prepared"),
    "train": lambda root: weights(root / "train"),
    "evaluate": lambda root: scores(root / "evaluate"),
}
"""What a command makes, in the order in which they need each other."""


@pytest.fixture(scope="module")
def whole(chain):
    """The chain with an evaluation and a saved index."""
    for command in (chain.evaluate(), chain.save_index()):
        done(command, chain.root)
    return chain


@pytest.fixture(scope="module")
def on_disk(whole, tmp_path_factory) -> Iterator[Chain]:
    """The data, on a disk of its own whose size can be changed."""
    if os.geteuid() != 0:
        pytest.skip("mounting a disk takes root; tests/test_files.py limits the size of a file instead")
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", folder], check=True)
    write_data(folder)
    yield replace(whole, root=folder)
    subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


def test_each_command_says_that_the_disk_is_full_and_resumes_when_there_is_room(whole, on_disk):
    for name, outcome in OUTCOMES.items():
        command, status = getattr(on_disk, name)(), os.statvfs(on_disk.root)
        used, refused = (status.f_blocks - status.f_bfree) * status.f_frsize, 0
        for room in (0, 12_000, 60_000, 250_000, 700_000):  # bytes: for the log, the store, vectors, weights
            remount(on_disk.root, f"size={used + room + 4096}")
            ended = command.run(whole.root)
            if ended.status == 0:
                break
            refused += 1
            assert "Traceback" not in ended.said, (name, room, ended.said[-3000:])
            assert re.search("disk is full|No space left", ended.said), (name, room, ended.said[-3000:])
        remount(on_disk.root, "size=200m")
        done(command, whole.root)
        assert refused, name
        assert outcome(on_disk.root) == outcome(whole.root), name
        assert not list(on_disk.root.rglob("*.partial"))


def test_a_disk_that_can_only_be_read_is_read(whole, on_disk, tmp_path):
    shutil.copytree(whole.root / "saved", on_disk.root / "saved")
    expected = done(on_disk.search(), tmp_path).said
    remount(on_disk.root, "ro")
    try:
        assert done(on_disk.search(), tmp_path).said == expected
        for command in (on_disk.prepare("more"), on_disk.train("more"), on_disk.evaluate("more")):
            ended = command.run(tmp_path)
            assert ended.status != 0
            assert "Traceback" not in ended.said, ended.said[-3000:]
            assert "this disk can only be read" in ended.said, ended.said[-3000:]
    finally:
        remount(on_disk.root, "rw")


@pytest.fixture
def own(whole, tmp_path):
    """A copy of the chain that a test may harm."""
    shutil.copytree(whole.root, tmp_path / "own")
    return replace(whole, root=tmp_path / "own")


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_of_two_runs_in_one_folder_one_is_refused_and_the_other_is_unharmed(whole, own, name, tmp_path):
    (own.root / name).rename(tmp_path / "before")
    if name == "evaluate":
        shutil.rmtree(own.root / "data" / "vectors")
    (status, _), (refused, said) = at_once(*[getattr(own, name)()] * 2, folder=tmp_path)
    assert (status, refused) == (0, 2), said
    assert "writes into this folder: wait for its end, or choose another with hydra.run.dir=FOLDER" in said
    assert OUTCOMES[name](own.root) == OUTCOMES[name](whole.root)


def test_two_preparations_at_once_end_with_the_same_records(whole, own, tmp_path):
    for folder in ("prepared", "store", "converted"):
        shutil.rmtree(own.root / "data" / folder)
    ends = at_once(own.prepare("one"), own.prepare("two"), folder=tmp_path)
    assert [status for status, _ in ends] == [0, 0], ends
    assert OUTCOMES["prepare"](own.root) == OUTCOMES["prepare"](whole.root)


def at_once(*commands: Command, folder: Path) -> list[tuple[int, str]]:
    """How commands that start together end, and what they say; the lowest status first."""
    outputs = [folder / f"said-{number}.txt" for number in range(len(commands))]
    running = [command.start(said) for command, said in zip(commands, outputs, strict=True)]
    for process in running:
        process.join()
    return sorted((process.exitcode, said.read_text()) for process, said in zip(running, outputs, strict=True))


@pytest.mark.parametrize("name", ["prepare", "train", "evaluate"])
def test_too_little_memory_is_advice(own, name, tmp_path):
    """More and more memory beside what the imports take, until the command goes well; a library may crash of it."""
    command = getattr(own, name)("memory")
    for folder in {"prepare": ("prepared", "store"), "evaluate": ("vectors", "store")}.get(name, ()):
        shutil.rmtree(own.root / "data" / folder)
    for megabytes in (16, 32, 64, 128, 256, 512, 4096):
        ended = command.with_memory(megabytes << 20).run(tmp_path)
        if ended.status == 0:
            break
        assert "Traceback" not in ended.said, (megabytes, ended.said[-3000:])
        assert ended.status in (2, -SIGSEGV, -SIGABRT), (megabytes, ended.status, ended.said[-3000:])
        assert ended.status != 2 or re.search("out of memory|no memory left", ended.said), ended.said[-3000:]
    assert ended.status == 0, ended.said[-2000:]
