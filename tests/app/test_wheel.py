"""The built wheel has all that it needs, and works in another folder than the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

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
    assert "[ERROR] - paths.project: expected the folder of a checkout of this project" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_it_is_installed_and_trains_searches_and_exports_in_another_folder(
    wheel, tmp_path, bert_directory, llama_directory
):
    command = [sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", str(tmp_path / "venv")]
    subprocess.run(command, check=True)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(pip, check=True)
    (site / "others.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")  # the packages that the tests run with
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python = str(tmp_path / "venv" / "bin" / "python")

    def embedder(*arguments):
        run = subprocess.run(
            [python, "-m", "embedder", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
        return run.stdout

    where = [python, "-c", "import embedder; print(embedder.__file__)"]
    file = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert Path(file).is_relative_to(site)  # not the checkout
    small = [f"encoder.name={bert_directory}", f"llm.name={llama_directory}", "llm.device=cpu", "encoder.sha256=null"]
    small += ["source.settings.passages=200", "source.settings.questions=20", "llm_outputs.n_outputs=2"]
    small += ["llm_outputs.max_new_tokens=4", "trainer.accelerator=cpu", "trainer.max_steps=1", "data.batch_size=4"]
    small += ["trainer.val_check_interval=1", "prepare.max_train_queries=8", "hydra.run.dir=run"]
    embedder("train", "source=world", *small)
    assert (tmp_path / "data" / "store").is_dir()  # what it computes lies in the current folder
    (tmp_path / "keys.jsonl").write_text('{"text": "a lighthouse"}\n{"text": "a river"}\n')
    found = embedder("search", "run/export", "a lighthouse", "--keys", "keys.jsonl", "-k", "1", "--json")
    assert len(json.loads(found)["hits"]) == 1
    embedder("export", "run/checkpoints/last.ckpt", "exported")
    assert (tmp_path / "exported" / "modules.json").is_file()
