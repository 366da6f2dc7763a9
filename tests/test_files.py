"""Files and folders that are whole or not there, tell of damage, and are written by one process at a time."""

import errno
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest
import rich.progress
import torch

from embedder import digests, files
from embedder.digests import damage, damage_of_archive, digest_of
from embedder.errors import DataError
from embedder.files import make_once, remove_orphans, whole_file, whole_folder, write_atomically
from embedder.locks import locked
from embedder.sealed import is_whole, sealed_file

# What `sha256sum` says of a file with the three bytes "abc" (FIPS 180-2, appendix B.1).
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_as_a_whole_or_as_it_was(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_atomically(path, "é\n")
    with whole_file(path) as file:
        file.write(b"half")
        file.flush()
        assert path.read_bytes() == b"\xc3\xa9\n"
    assert path.read_text() == "half"
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "half"
    assert names(path.parent) == ["a.txt"]  # nothing is left behind


def full_disk(folder):
    (folder / "half").write_text("x")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_folder_is_there_as_a_whole_or_as_it_was(tmp_path):
    path = tmp_path / "new" / "folder"
    with pytest.raises(OSError, match="No space"), whole_folder(path) as partial:
        full_disk(partial)
    assert names(path.parent) == []
    with whole_folder(path) as partial:
        (partial / "a").write_text("abc")
        assert not path.exists()
    with pytest.raises(OSError, match="No space"), whole_folder(path, replace=True) as partial:
        full_disk(partial)
    assert (path / "a").read_text() == "abc"
    with whole_folder(path) as partial:  # as by a slower process: the folder that is there stays
        (partial / "a").write_text("other")
    assert (path / "a").read_text() == "abc"
    with whole_folder(path, replace=True) as partial:
        (partial / "b").write_text("other")
    assert (names(path), names(path.parent)) == (["b", "digests.json"], ["folder"])


def test_of_two_that_replace_a_folder_at_once_each_finds_it_whole(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    with whole_folder(path) as partial:
        (partial / "a").write_text("damaged")
    with whole_folder(path, replace=True) as slow:
        (slow / "a").write_text("slow")
        with whole_folder(path, replace=True) as quick:
            (quick / "a").write_text("quick")
        assert ((path / "a").read_text(), damage(path)) == ("quick", None)
    assert ((path / "a").read_text(), damage(path)) == ("slow", None)

    def moved_by_another_process(folder, name, move=Path.rename):
        if folder == path:  # between our look at it and our move
            move(folder, tmp_path / "theirs")
        return move(folder, name)

    with whole_folder(path, replace=True) as partial:
        (partial / "a").write_text("last")
        monkeypatch.setattr(files, "_swapped", lambda *_: False)  # as on a network disk
        monkeypatch.setattr(Path, "rename", moved_by_another_process)
    assert ((path / "a").read_text(), damage(path)) == ("last", None)
    assert names(tmp_path) == ["folder", "theirs"]


@pytest.mark.skipif(sys.platform != "linux", reason="no other system swaps two names in one step")
def test_a_folder_that_is_replaced_is_there_at_any_moment(tmp_path):
    path, missed, looked = tmp_path / "folder", 0, 0

    def replace_often():
        for number in range(100):
            with whole_folder(path, replace=True) as partial:
                (partial / "a").write_text(str(number))

    replace_often()
    writer = Thread(target=replace_often)
    writer.start()
    while writer.is_alive():
        looked += 1
        missed += not path.is_dir()
    writer.join()
    assert (missed, looked > 100, (path / "a").read_text()) == (0, True, "99")
    assert names(tmp_path) == ["folder"]


def test_a_folder_is_made_once_and_again_where_it_was_damaged(tmp_path, caplog):
    calls = []

    def write(partial):
        calls.append(partial)
        (partial / "a").write_text("abc")

    path = tmp_path / "new" / "folder"
    assert [make_once(path, write, "it is made anew") for _ in range(3)] == [True, False, False]
    (path / "a").write_text("abd")
    assert make_once(path, write, "it is made anew")
    assert f"{path}: a is not as it was written; it is made anew" in caplog.text
    assert ((path / "a").read_text(), len(calls)) == ("abc", 2)
    with pytest.raises(OSError, match="No space"):
        make_once(tmp_path / "other", full_disk)
    assert not (tmp_path / "other").exists()


ONCE = """
import sys
from pathlib import Path
from embedder.files import make_once
def write(folder):
    print("writing", flush=True)
    sys.stdin.read()
    (folder / "a").write_text("abc")
print(make_once(Path(sys.argv[1]) / "folder", write), flush=True)
"""


def test_of_processes_that_make_a_folder_at_once_one_writes_though_the_first_is_killed(tmp_path):
    command = [sys.executable, "-c", ONCE, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    killed = subprocess.Popen(command, **pipes)
    assert killed.stdout.readline() == "writing\n"  # it has the lock
    others = [subprocess.Popen(command, **pipes) for _ in range(2)]
    killed.kill()
    killed.communicate()
    for other in others:
        other.stdin.close()  # lets it end
    said = sorted(other.stdout.read() for other in others)
    assert [other.wait() for other in others] == [0, 0]
    assert said == ["False\n", "writing\nTrue\n"]
    assert damage(tmp_path / "folder") is None
    remove_orphans(tmp_path)
    assert names(tmp_path) == ["folder"]


def test_damage_of_any_file_is_named_and_later_files_are_not_looked_at(tmp_path):
    path = tmp_path / "folder"
    with whole_folder(path) as partial:
        (partial / "below").mkdir()
        (partial / "below" / "a").write_text("abc")
        (partial / "b").write_bytes(bytes(1000))
    assert json.loads((path / "digests.json").read_text())["below/a"] == ABC
    (path / "report.json").write_text("later")
    assert damage(path) is None
    (path / "below" / "a").write_text("abd")
    assert damage(path) == "below/a is not as it was written"
    (path / "below" / "a").write_text("abc")
    (path / "b").write_bytes(bytes(999))  # cut off
    assert damage(path) == "b is not as it was written"
    (path / "b").unlink()
    assert damage(path) == "b is missing"
    for content in ("", "[]x", "[1]", "3"):
        (path / "digests.json").write_text(content)
        assert damage(path) == "digests.json cannot be read"
    (path / "digests.json").unlink()
    assert damage(path) == "digests.json is missing"


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("abc")
    os.utime(path, (1e9, 1e9))
    assert digest_of(path) == ABC
    with monkeypatch.context() as patch:
        patch.setattr(digests, "read_digest", lambda *_: pytest.fail("read twice"))
        assert digest_of(path) == ABC
    path.write_text("abd")  # of the same size, perhaps within the resolution of the time stamp
    assert digest_of(path) != ABC
    path.write_text("abc")
    assert digest_of(path) == ABC


def test_a_large_file_is_read_with_a_bar(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "_LARGE", 1)
    (tmp_path / "a").write_text("abc")
    assert digest_of(tmp_path / "a") == ABC
    shown, opened = [], rich.progress.open
    monkeypatch.setattr(rich.progress, "open", lambda *a, **k: (shown.append(k["description"]), opened(*a, **k))[1])
    with sealed_file(tmp_path / "b") as file:
        file.write(b"abc")
    assert (is_whole(tmp_path / "b"), shown) == (True, ["reading b"])
    (tmp_path / "b").write_bytes(b"abd" + (tmp_path / "b").read_bytes()[3:])
    assert not is_whole(tmp_path / "b")


KILLED = """
import os, sys
from pathlib import Path
from embedder.files import whole_file, whole_folder
with whole_folder(Path(sys.argv[1]) / "folder") as partial, whole_file(Path(sys.argv[1]) / "file") as file:
    (partial / "half").write_text("x")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_stays(tmp_path):
    dead = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert dead.returncode == -9
    assert len(names(tmp_path)) == 2
    with whole_folder(tmp_path / "folder") as mine:
        os.utime(mine, (0, 0))  # as if the clock had stood at 1970 and been set since
        remove_orphans(tmp_path)
        assert names(tmp_path) == [mine.name]
        elsewhere = tmp_path / re.sub(r"\.[0-9a-f]{8}-", ".00000000-", mine.name)  # of another machine
        (elsewhere / "below").mkdir(parents=True)
        remove_orphans(tmp_path)
        assert elsewhere.is_dir()
        week_ago = time.time() - 8 * 86400
        os.utime(elsewhere, (week_ago, week_ago))
        remove_orphans(tmp_path)
        assert elsewhere.is_dir()  # written to below, just now
        os.utime(elsewhere / "below", (week_ago, week_ago))
        remove_orphans(tmp_path)
        assert not elsewhere.exists()
    (tmp_path / ".mine.partial").write_text("of the user")
    remove_orphans(tmp_path)
    assert names(tmp_path) == [".mine.partial", "folder"]


HOLDING = """
import sys
from pathlib import Path
from embedder.locks import locked
from embedder.sealed import is_whole, sealed_file
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_process_holds_a_folder_until_it_ends_however_it_ends(tmp_path):
    folder = tmp_path / "run"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(DataError, match=rf"^{re.escape(str(folder))}: process {other.pid} on .*hydra.run.dir"),
            locked(folder),
        ):
            pytest.fail("two processes hold one folder")
    finally:
        other.kill()
        other.communicate()
    for _ in range(2):
        with locked(folder):
            assert Path(folder / ".lock").read_text().startswith(f"process {os.getpid()} on ")


FULL = """
import resource, sys
from pathlib import Path
from embedder.files import whole_file, whole_folder
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
root = Path(sys.argv[1])
for number in range(2):
    try:
        if number:
            with whole_file(root / "file") as file:
                file.write(bytes(1 << 17))
        else:
            with whole_folder(root / "folder") as partial:
                (partial / "small").write_bytes(b"x")
                (partial / "large").write_bytes(bytes(1 << 17))
    except OSError:
        print("full")
"""


def test_a_disk_that_is_full_is_left_as_it_was(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=True, capture_output=True, text=True)
    assert (done.stdout, names(tmp_path)) == ("full\nfull\n", [])


def test_a_flipped_bit_in_a_checkpoint_is_seen_though_torch_reads_over_it(tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save({"weights": torch.zeros(1000), "step": 3}, path)
    assert damage_of_archive(path) is None
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert torch.load(path)["step"] == 3
    assert damage_of_archive(path) == "its part last/data/0 is not as it was written"
    path.write_bytes(content[:-100])
    assert damage_of_archive(path).startswith("not a whole archive")
    path.write_bytes(b"")
    assert damage_of_archive(path).startswith("not a whole archive")


def test_what_several_processes_come_to_is_done_by_one_while_the_others_wait(tmp_path):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from embedder.locks import in_turn\n"
        "place = Path(sys.argv[1])\n"
        "with in_turn(place / 'lock') as waited:\n"
        "    done = (place / 'done').exists()\n"
        "    print(waited, done, flush=True)\n"
        "    if not done:\n"
        "        sys.stdin.read()\n"
        "        (place / 'done').touch()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline() == "False False\n"  # it has the lock
    killed = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    second = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    killed.kill()
    killed.communicate()
    first.communicate()  # closes its input, which lets it end
    assert second.communicate()[0].split()[1] == "True"


COUNTING = """
import sys
from pathlib import Path
from embedder.locks import in_turn
place = Path(sys.argv[1])
for _ in range(100):
    with in_turn(place / "lock"):
        n = int((place / "count").read_text())
        (place / "count").write_text(str(n + 1))
"""


def test_turns_never_overlap_though_each_removes_its_lock_file(tmp_path):
    (tmp_path / "count").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNTING, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert (tmp_path / "count").read_text() == "400"
    assert names(tmp_path) == ["count"]
