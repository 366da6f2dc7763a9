"""Where the locale knows ASCII alone, names of files and arguments have the letters that they have elsewhere."""

import os
import subprocess
import sys

import pytest

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0"}
"""Python takes UTF-8 where it finds LC_ALL=C, unless PYTHONUTF8=0 forbids it."""
UTF_8 = {"LC_ALL": "C.UTF-8"}
WRITES = """
import subprocess, sys
from pathlib import Path
from embedder.entry.surroundings import settle_streams
settle_streams(outlast_reader=True)
folder, name = Path(sys.argv[1]), sys.argv[2]
(folder / name).write_text(name)  # as a library does that names no encoding
print([path.name for path in folder.iterdir()], flush=True)
if len(sys.argv) == 3:  # a process that this one starts
    subprocess.run([sys.executable, *sys.orig_argv[-4:], "in a process"], check=True)
"""


@pytest.mark.parametrize("environment", [ASCII, UTF_8])
def test_a_command_has_the_letters_of_names_and_arguments(tmp_path, environment):
    folder = tmp_path / "daten-é-東京"
    folder.mkdir()
    said = written(folder, environment)
    assert said.decode() == "['gülde 😀']\n" * 2
    assert (folder / "gülde 😀").read_bytes() == "gülde 😀".encode()


def test_a_console_without_a_letter_shows_another_one(tmp_path):
    assert written(tmp_path, UTF_8 | {"PYTHONIOENCODING": "ascii"}) == b"['g?lde ?']\n" * 2


def written(folder, environment):
    """What such a process and its child print of a folder into which both write."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    command = [sys.executable, "-c", WRITES, str(folder), "gülde 😀"]
    return subprocess.run(command, env={**kept, **environment}, stdout=subprocess.PIPE, check=True).stdout
