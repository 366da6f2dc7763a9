"""A refresh in a process of its own: what it finds, when that is trained on, and how it ends."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch

from embedder.callbacks.background import Background
from embedder.callbacks.step_vectors import StepVectors
from embedder.errors import TrainingError
from embedder.preparation.prepare import prepare
from embedder.preparation.record_judge import RecordJudges
from embedder.texts import text_hash
from embedder.vectors.manifest import read_manifest
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored import StoredVectors
from tests.callbacks.test_judging import JUDGED, TASK, by_hand
from tests.callbacks.test_judging import folder as folder
from tests.callbacks.test_judging import preparation as preparation
from tests.callbacks.test_reindex import SETTINGS, WORDS, fit, nearest, one_of_twins, rows
from tests.callbacks.test_reindex import TASK as TOOL
from tests.callbacks.test_reindex import dataset as dataset
from tests.entry_points import ROOT

ASYNC = replace(SETTINGS, mode="async", device="cpu")


class WaitAt(L.Callback):
    """Waits after a step until the process in the background has ended."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, *args, **kwargs):
        if trainer.global_step == self.step:
            (process,) = [own._background.process for own in trainer.callbacks if hasattr(own, "_background")]
            while not has_said(trainer) and process.is_alive():
                time.sleep(0.01)


def has_said(trainer):
    return any(own._background._results.poll() for own in trainer.callbacks if hasattr(own, "_background"))


def test_its_negatives_are_those_of_the_snapshot_and_take_effect_at_a_step(dataset, bert_directory, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        module, callback, seen, _ = fit(
            dataset, bert_directory, tmp_path, ASYNC, lr=1e-9, steps=8, more=[WaitAt(5)], val_check_interval=8
        )
    (fresh,) = callback._now.values()
    assert [one_of_twins(fresh.positions(k)) for k in range(len(fresh))] == nearest(dataset, module.encoder)
    assert callback._state["step"] == 3
    assert "the negatives of step 3 are trained on from now, 2 steps later" in caplog.text
    (row,) = [row for row in rows(tmp_path) if row.get("reindex/staleness")]
    assert (row["step"], float(row["reindex/staleness"])) == ("4", 2)
    # The one that began after step 6 ended with the run.
    assert not callback._background.process.is_alive()
    old = [{key.id for key in record.negatives} for record in dataset.records("train")]
    new = [{key.id for key in fresh[k]} for k in range(len(fresh))]
    assert old != new
    ids = {query.id: k for k, query in enumerate(dataset.train_queries())}
    hashes = {text_hash(key.text): key.id for key in map(dataset.corpus.__getitem__, range(40))}
    for step, groups in enumerate(seen):
        for name, negatives in groups.items():
            allowed = (new if step >= 5 else old)[ids[name]]
            assert {hashes[negative] for negative in negatives if negative} <= allowed | {"k5", "k39"}, step


def test_the_llm_judges_in_the_background(preparation, bert_directory, tmp_path):
    made = preparation()
    (own,) = prepare({"qa": TASK}, made)
    judge = RecordJudges(made, {"qa": TASK})
    settings = replace(JUDGED, mode="async", device="cpu")
    _, callback, *_ = fit(
        own, bert_directory, tmp_path, settings, TASK, judge=judge, steps=6, more=[WaitAt(5)], val_check_interval=6
    )
    (fresh,) = callback._now.values()
    for k, record in list(enumerate(own.records("train")))[:3]:
        new = fresh.of(k, record)
        assert list(new.rewards) == by_hand(made, TASK, own, new)


class Stalls:
    """An encoder that never comes to its second shard."""

    dimension = 2

    def encode(self, texts, reading, *, progress=False):
        if reading.side == "key" and texts[0] != f"{WORDS[0]} {WORDS[0]} number 0":
            time.sleep(600)
        return np.tile(np.float32([0.6, 0.8]), (len(texts), 1))


def stalls(path):
    return Stalls()


class WaitForVectors(L.Callback):
    """Waits after a step until the process in the background has written some."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_batch_end(self, trainer, *args, **kwargs):
        while trainer.global_step == 4 and not list(self.folder.rglob("*.npy")):
            time.sleep(0.01)


def test_a_refresh_that_is_stopped_leaves_no_vectors(dataset, bert_directory, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    left = tmp_path / "negatives" / "vectors" / "of a run that was killed"
    left.mkdir(parents=True)
    vectors = StepVectors(tmp_path / "vectors", VectorSettings("", shard_size=8))
    more = [vectors, WaitForVectors(tmp_path)]
    fit(dataset, bert_directory, tmp_path, ASYNC, steps=6, more=more, opener=stalls, val_check_interval=6)
    assert not left.exists()
    assert not list(tmp_path.rglob("*.npy"))
    assert [path.name for path in (tmp_path / "negatives").iterdir()] == ["background.log"]


class Forget(L.Callback):
    """Removes a folder before the refresh of the third step, and keeps the weights that this one has."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_batch_end(self, trainer, pl_module, *args, **kwargs):
        if trainer.global_step == 2:
            shutil.rmtree(self.folder)
        if trainer.global_step == 3:
            self.weights = {name: value.clone() for name, value in pl_module.encoder.state_dict().items()}


def test_it_encodes_in_form_and_precision_of_the_run_where_keys_are_kept(dataset, bert_directory, tmp_path):
    kept = VectorSettings(str(tmp_path / "kept"), "float16", 32)
    vectors = StepVectors(tmp_path / "vectors", kept, {"keys": "as they were"})
    forget = Forget(tmp_path / "kept")
    more = [vectors, forget, WaitAt(5)]
    module, *_ = fit(
        dataset, bert_directory, tmp_path, ASYNC, steps=6, more=more, precision="bf16-mixed", val_check_interval=6
    )
    (manifest,) = (tmp_path / "kept").rglob("manifest*.json")
    there = StoredVectors(manifest.parent, read_manifest(manifest))
    assert (there.about["encoder"]["keys"], there.about["dtype"]) == ("as they were", "float16")
    module.encoder.load_state_dict(forget.weights)
    assert not list((tmp_path / "negatives").glob("snapshot*"))
    texts = [dataset.corpus[k].text for k in range(32)]
    with torch.autocast("cpu", torch.bfloat16):
        expected = module.encoder.encode(texts, TOOL.sides.key)
    assert np.array_equal(there.rows(0, 32), expected.astype(np.float16))


def fails(path):
    raise OSError(f"no such weights: {path.name}")


def dies(path):
    os._exit(7)


@pytest.mark.parametrize(("opener", "why"), [(fails, "OSError: no such weights"), (dies, "it ended with status 7")])
def test_what_fails_there_is_one_error_here(dataset, bert_directory, tmp_path, opener, why):
    with pytest.raises(TrainingError, match=f"the refresh in the background of step 3 failed: {why}"):
        fit(dataset, bert_directory, tmp_path, ASYNC, steps=6, more=[WaitAt(5)], opener=opener, val_check_interval=6)


def sleeps(path):
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    time.sleep(600)


def parent(name):
    """Started by the next test as a process of its own: it waits for a refresh that never ends."""
    from lightning.pytorch.plugins.precision import Precision

    from embedder.callbacks.background import Work
    from embedder.callbacks.refresh import Moment

    directory = Path(name)
    work = Work(
        sleeps, directory / "none", None, [], {}, Moment(1, 0, {}), directory, Precision(), {}, VectorSettings("")
    )
    sys.stdout.write(f"{Background(work, directory / 'log').process.pid}\n")
    sys.stdout.flush()
    time.sleep(600)


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGINT))],
)
def test_it_ends_with_the_run_that_began_it(tmp_path, number):
    script = "import sys; from tests.callbacks.test_background import parent; parent(sys.argv[1])"
    started = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    child = int(started.stdout.readline())
    log = tmp_path / "log"
    while not (log.is_file() and log.read_text()):
        time.sleep(0.05)
    assert int(log.read_text()) == child
    started.send_signal(number)
    started.wait()
    while Path(f"/proc/{child}").exists():  # the test's own time limit ends this
        time.sleep(0.05)


@pytest.mark.slow
def test_two_processes_swap_at_the_same_step_and_a_killed_run_resumes(tmp_path, bert_directory, llama_directory):
    run = [f"paths.root={tmp_path}", f"encoder.name={bert_directory}", f"llm.name={llama_directory}", "llm.device=cpu"]
    run += ["encoder.sha256=null", "source.settings.passages=200", "source.settings.questions=60"]
    run += ["llm_outputs.n_outputs=2", "llm_outputs.max_new_tokens=4", "prepare.max_train_queries=40", "logger=csv"]
    run += ["trainer.accelerator=cpu", "trainer.devices=2", "trainer.strategy=ddp", "trainer.max_steps=12"]
    run += [
        "trainer.val_check_interval=6",
        "data.batch_size=4",
        f"hydra.run.dir={tmp_path}/run",
        "callbacks.plain.last.every_n_steps=1",
    ]
    run += ["callbacks.reindex.every_n_steps=3", "callbacks.reindex.mode=async", "trainer.num_sanity_val_steps=0"]
    run += ["+callbacks.plain.swaps._target_=tests.callbacks.swaps.NoteSwaps"]

    def train(folder, *more, **about):
        command, environment = [sys.executable, "train.py", *run, *more], {"SWAPS_FOLDER": str(tmp_path / folder)}
        environment = {**os.environ, **environment, **about}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    killed = train("killed", SWAPS_KILL="4")
    assert killed.returncode != 0
    background = int((tmp_path / "killed" / "background").read_text())
    while Path(f"/proc/{background}").exists():  # the test's own time limit ends this
        time.sleep(0.05)
    done = train("resumed", "run.checkpoint=last", SWAPS_WAIT="7")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "the negatives of step 6 are trained on from now" in done.stdout
    first, second = ([json.loads(line) for line in (tmp_path / "resumed" / f"{r}.jsonl").open()] for r in (0, 1))
    assert [row["step"] for row in first] == [row["step"] for row in second] == list(range(first[0]["step"], 12))
    assert [row["table"] for row in first] == [row["table"] for row in second]
    assert any(row["table"] and row["table"].startswith("step-000006") for row in first)
    assert not any(row["foreign"] for row in (*first, *second))
    after = [row for row in (*first, *second) if row["table"]]
    assert sum(row["new"] for row in after) > 0
    assert not any(row["new"] for row in (*first, *second) if not row["table"])
    assert not set(first[-1]["queries"]) & set(second[-1]["queries"])
    assert not (tmp_path / "run" / "negatives" / "snapshot.safetensors").exists()
