"""The command `embedder`: the same entry points as the scripts, under names that messages use."""

import subprocess
import sys

import pytest

from embedder import __version__
from embedder.commands import console
from embedder.commands.arguments import Arguments
from embedder.started import SCRIPTS
from tests.entry_points import ROOT, run_here


def embedder(capsys, monkeypatch, *arguments):
    """Its exit status, and what it says on both streams."""
    monkeypatch.setattr(sys, "argv", ["/bin/embedder", *arguments])
    status = 0
    try:
        console.main()
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_is_one_screen_with_each_command(capsys, monkeypatch, arguments):
    status, said, _ = embedder(capsys, monkeypatch, *arguments)
    assert status == 0
    assert all(f"\n  {name} " in said for name in console.COMMANDS)
    assert len(said.splitlines()) <= 24
    assert max(map(len, said.splitlines())) <= 100


def test_the_version(capsys, monkeypatch):
    assert embedder(capsys, monkeypatch, "--version") == (0, f"embedder {__version__}\n", "")


def test_an_unknown_command_is_one_line(capsys, monkeypatch):
    status, said, line = embedder(capsys, monkeypatch, "trian", "encoder.lr=1")
    assert (status, said) == (2, "")
    assert line.startswith("embedder: expected a command, one of train, ")
    assert line.endswith("(did you mean train?), got 'trian'\n")


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_is_a_command_and_messages_name_what_was_typed(capsys, monkeypatch, name):
    unknown = "xyzzy=1"
    status, _, line = embedder(capsys, monkeypatch, name, unknown)
    assert (status, line) == (2, f"xyzzy: there is no such setting; embedder {name} --cfg job shows all\n")
    assert run_here(f"{name}.py", unknown).stderr == line.replace(f"embedder {name}", f"python {name}.py")
    status, shown, _ = embedder(capsys, monkeypatch, name, "--help")
    assert status == 0
    assert f"\n  embedder {name} " in shown
    assert ".py" not in shown
    assert f"\n  python {name}.py " in run_here(f"{name}.py", "--help").stdout


def test_a_config_path_is_relative_to_the_current_folder(capsys, monkeypatch, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text("seed: 5\n")
    monkeypatch.chdir(tmp_path)
    _, said, _ = embedder(capsys, monkeypatch, "train", "-cp", "own", "-cn", "mine", "--cfg", "job")
    assert said.strip() == "seed: 5"


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "embedder", "--version"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"embedder {__version__}\n")


def test_wrong_arguments_of_a_command_are_one_line(capsys):
    parser = Arguments("search", "Search.")
    parser.add_argument("index")
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args([])
    line = "embedder search: the following arguments are required: index; embedder search --help explains the arguments"
    assert capsys.readouterr().err == f"{line}\n"
