"""One run at a time writes into a folder, and a run that is refused leaves the settings that lie there."""

import contextlib
import pickle
import signal
import subprocess
import sys

import pytest
from hydra.conf import HydraConf, RunDir, SweepDir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from embedder.app.tune import TuneRun
from embedder.entry.run_folder import HoldRunFolder, is_first_process, put_back_settings
from embedder.entry.signals import Stopped
from embedder.locks import locked
from embedder.preparation.merge import MergeRun
from tests.entry_points import composed, run_here

HOLD = """
import sys
from pathlib import Path
from embedder.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_launcher_sends_it_to_the_processes_of_its_jobs_while_the_sweep_holds_its_folder(tmp_path):
    holding, config = HoldRunFolder(), OmegaConf.create({"run": {"output_dir": "x"}})
    config.hydra = OmegaConf.structured(HydraConf(sweep=SweepDir(dir=str(tmp_path))))
    holding.on_multirun_start(config)
    try:
        assert type(pickle.loads(pickle.dumps(holding))) is HoldRunFolder  # a held lock cannot be sent
    finally:
        holding.on_multirun_end(config)
        HydraConfig.instance().cfg = None


@pytest.fixture
def folder(tmp_path):
    """Of a run, with its settings and its log."""
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    settings = OmegaConf.to_yaml(composed("train", "experiment=tune", "source=folder", "source.path=/nowhere"))
    (tmp_path / "run" / ".hydra" / "config.yaml").write_text(settings)
    (tmp_path / "run" / "train.log").write_text("resuming\n")
    return tmp_path / "run"


@contextlib.contextmanager
def another_run(folder):
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("entry", ["train.py", "evaluate.py", "resume", "sweep"])
def test_a_second_run_in_a_folder_writes_nothing_there(folder, entry):
    before = contents(folder)
    arguments = {
        "resume": ["train.py", "--config-path", str(folder / ".hydra"), "--config-name", "config", "seed=7"],
        "sweep": ["train.py", "-m", "seed=7,8", f"hydra.sweep.dir={folder}"],
    }.get(entry, [entry, "seed=7"])
    with another_run(folder) as process:
        done = run_here(*arguments, f"hydra.run.dir={folder}")
        assert done.returncode == 2
        assert f"process {process.pid} on" in done.stderr
        assert "writes into this folder" in done.stderr
    assert contents(folder) == before


def test_parts_of_a_preparation_share_a_folder(folder):
    with another_run(folder):
        done = run_here("prepare.py", "action=merge", f"paths.root={folder}", f"hydra.run.dir={folder}")
    assert "writes into this folder" not in done.stderr


def test_a_folder_is_held_until_the_outermost_holder_lets_go(tmp_path):
    with locked(tmp_path):
        with locked(tmp_path):
            pass
        done = run_here("train.py", f"hydra.run.dir={tmp_path}/other", "seed=-1")
        assert "writes into this folder" not in done.stderr
        process = subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], capture_output=True, check=False)
        assert b"writes into this folder" in process.stderr
    with another_run(tmp_path):
        pass


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [(None, "new"), (Stopped(signal.SIGINT), "new"), (OSError(28, "full"), "old"), (ZeroDivisionError(), "old")],
)
def test_the_settings_of_a_run_stay_where_another_one_is_refused(folder, monkeypatch, outcome, kept):
    def run(self):
        if outcome is not None:
            raise outcome

    config = folder / ".hydra" / "config.yaml"
    config.write_text("old")
    monkeypatch.setattr(MergeRun, "run", run)
    with contextlib.suppress(ZeroDivisionError):
        run_here("prepare.py", "action=merge", f"paths.root={folder}", f"hydra.run.dir={folder}")
    assert (config.read_text() == "old") == (kept == "old")


def test_another_process_of_a_run_does_not_put_back_what_the_run_has_written(tmp_path, monkeypatch):
    (settings := tmp_path / ".hydra" / "config.yaml").parent.mkdir()
    settings.write_text("of a refused run")
    monkeypatch.setenv("RANK", "1")
    config = OmegaConf.create({"run": {"output_dir": "x"}})
    config.hydra = OmegaConf.structured(HydraConf(run=RunDir(dir=str(tmp_path))))
    HoldRunFolder().on_run_start(config)
    HydraConfig.instance().cfg = None
    settings.write_text("put back by the first process")
    put_back_settings()
    assert settings.read_text() == "put back by the first process"


@pytest.mark.parametrize("outcome", [None, Stopped(signal.SIGINT)])
def test_a_dry_run_leaves_the_settings_of_a_run(folder, monkeypatch, outcome):
    def run(self):
        if outcome is not None:
            raise outcome

    before = contents(folder / ".hydra")
    monkeypatch.setattr(TuneRun, "run", run)
    resume = ["--config-path", str(folder / ".hydra"), "--config-name", "config", f"hydra.run.dir={folder}"]
    done = run_here("train.py", *resume, "dry_run=true", "seed=7", f"paths.root={folder}", f"source.path={folder}")
    assert done.returncode == (0 if outcome is None else 130), done.stderr + done.stdout
    assert contents(folder / ".hydra").items() >= before.items()


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"RANK": "1", "LOCAL_RANK": "0"}, False),  # torchrun, the first process of the second machine
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, False),  # started by Lightning, in an interactive shell of SLURM
    ],
)
def test_one_of_the_processes_of_a_run_holds_its_folder(monkeypatch, variables, first):
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() == first
