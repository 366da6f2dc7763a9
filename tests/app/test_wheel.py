"""The built wheel has all that it needs, and works in another folder than the checkout."""

import os
import subprocess
import sys
import zipfile

import pytest

from tests.entry_points import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    """Runs the command of the wheel in a folder of its own; the checkout is out of sight."""
    package, elsewhere = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("elsewhere")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(package)

    def run(*arguments):
        environment = os.environ | {"PYTHONPATH": str(package)}
        command = [sys.executable, "-m", "embedder", *arguments]
        return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)

    return run


def test_it_holds_every_file_that_is_read(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    source = ROOT / "src"
    of_package = {str(path.relative_to(source)) for path in (source / "embedder").rglob("*") if path.is_file()}
    of_conf = {f"embedder/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*.yaml")}
    missing = {name for name in of_package | of_conf if "__pycache__" not in name} - names
    assert not missing
    assert {"embedder/py.typed", "embedder/conf/train.yaml", "hydra_plugins/embedder_study.py"} <= names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert not {name.partition("/")[0] for name in names if "dist-info" not in name} - {"embedder", "hydra_plugins"}


def test_it_composes_its_own_settings_elsewhere(unpacked):
    done = unpacked("train", "--cfg", "job", "task_mix=tool")
    assert (done.returncode, done.stderr) == (0, "")
    assert "_target_: embedder.app.train.TrainRun" in done.stdout
    assert "hydra/sweeper: expected one of study" in unpacked("train", "-m", "hydra/sweeper=stud").stderr


def test_the_demo_needs_the_checkout_and_says_so(unpacked):
    done = unpacked("prepare", "experiment=demo")
    assert done.returncode == 2
    assert "paths.project: expected the folder of a checkout of this project" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
