"""Tables in temporary files: where there is no room for them, one line says so, and no signal ends the process."""

import os
import subprocess
import sys

import pytest

READS = """
import sys
from pathlib import Path
from embedder.data.id_table import RowsById
from embedder.entry.faults import message_for_user
try:
    print("k7 is in line", RowsById(Path(sys.argv[1]), "id")["k7"].line)
except OSError as error:
    print(message_for_user(error))
"""


@pytest.fixture
def small(tmp_path):
    """A disk of 200 kB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a disk takes root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize(
    ("n", "fits"),
    [
        (2_000, True),  # 16 kB of line ends and 32 kB of ids
        (20_000, False),  # 160 kB of line ends, and no room for 320 kB of ids: SIGBUS, if these went through the map
        (60_000, False),  # no room for line ends
    ],
)
def test_what_finds_no_room_names_the_folder(tmp_path, small, n, fits):
    path = tmp_path / "keys.jsonl"
    path.write_text("".join(f'{{"id": "k{i}"}}\n' for i in range(n)))
    command = [sys.executable, "-c", READS, str(path)]
    done = subprocess.run(command, env={**os.environ, "TMPDIR": str(small)}, capture_output=True, text=True, check=True)
    if fits:
        assert done.stdout == "k7 is in line 8\n"
    else:
        assert done.stdout.startswith(f"{small}: the disk is full; free some of it")
        assert "TMPDIR where its temporary files lie" in done.stdout
