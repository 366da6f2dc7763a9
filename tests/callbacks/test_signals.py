"""Real signals in real, small runs, raised inside of hooks: what a run leaves, and that it is resumed the same."""

import csv
import json
import logging
import signal
import subprocess
import sys
from functools import partial

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from embedder.app.choice import choose
from embedder.callbacks import last_checkpoint
from embedder.callbacks.best import best_checkpoint
from embedder.callbacks.describe import DescribeCallback
from embedder.callbacks.last_checkpoint import LastCheckpoint
from embedder.callbacks.retrieval_eval import RetrievalEvalCallback
from embedder.callbacks.step_log import StepLogWriter
from embedder.callbacks.stop_on_signal import StopOnSignal
from embedder.callbacks.validate_last import ValidateLast
from embedder.callbacks.validation_record import ValidationRecord, recorded
from embedder.candidates.candidates import Candidates
from embedder.candidates.finder import CandidateFinder
from embedder.candidates.proposers import BM25Proposer
from embedder.data.corpus import Corpus
from embedder.data.prepared import PreparedDataset
from embedder.data.sources import Dataset
from embedder.encoders.checkpoint import describe
from embedder.encoders.checkpoint_file import CHECKPOINT_KEY
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.errors import Interrupted
from embedder.files import remove_orphans
from embedder.index.faiss_index import FaissIndex
from embedder.metrics.text import has_answer
from embedder.preparation.job import make_job
from embedder.preparation.validation import Validation
from embedder.preparation.write_records import write_records
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.module import RetrieverModule
from embedder.training.objective import Objective
from embedder.training.sampling import Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)

TASK = Task("tool", "find: ", "", 64, 64, Objective(), Sampling(group_size=3))
STEPS, INTERVAL = 8, 3
WORDS = ("red", "apple", "tree", "blue", "car", "night", "silent", "harbour")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    keys = [{"id": f"k{i}", "text": f"{WORDS[i % 8]} {WORDS[i // 8]} number {i * 37 % 101}"} for i in range(40)]
    rows = [{"query_id": f"q{i}", "query": f"want {WORDS[i % 8]} {i}", "pos": [f"k{i}"]} for i in range(20)]
    for name, lines in (("corpus", keys), ("train", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = Dataset("tool", "small", folder / "corpus.jsonl", folder / "train.jsonl")
    job = make_job(TASK, source, Corpus(source.file("corpus")), Validation(0.4, 10), None)
    prepared = folder / "prepared"
    prepared.mkdir()
    finder = CandidateFinder(Candidates(n=5, max_gold=1), [BM25Proposer()], job.corpus, has_answer)
    write_records(job, finder, None, prepared)
    return PreparedDataset("tool", "small", prepared, folder / "corpus.jsonl")


class Signal(L.Callback):
    """Sends this process a signal in a hook, at a step."""

    def __init__(self, hook, step, number=signal.SIGTERM):
        self.step, self.number, self.sent = step, number, False
        setattr(self, hook, self.send)

    def send(self, trainer, *args, **kwargs):
        if trainer.global_step == self.step and not self.sent:
            self.sent = True
            signal.raise_signal(self.number)


def fit(dataset, bert_directory, directory, *more, resume=None, new_index=FaissIndex):
    torch.manual_seed(0)
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    module = RetrieverModule(encoder, {"tool": TASK}, AdamWLinear(lr=1e-3, warmup=0.0))
    data = RetrieverDataModule([dataset], {"tool": TASK}, encoder.tokenize, DataSettings(batch_size=4, seed=0))
    retrieval = RetrievalEvalCallback([dataset], new_index)
    record = ValidationRecord(retrieval)
    describing = DescribeCallback(CHECKPOINT_KEY, partial(describe, encoder, {"tool": TASK.sides}, {}))
    watching = [retrieval, record, describing, ValidateLast(), *more, StepLogWriter()]
    writing = [
        best_checkpoint("val/loss", dirpath=directory, filename="best-{step}", auto_insert_metric_name=False),
        LastCheckpoint(str(directory)),
        StopOnSignal(),
    ]
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        callbacks=[*watching, *writing],
        logger=CSVLogger(directory),
        log_every_n_steps=1,
        val_check_interval=INTERVAL,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    if resume is None:
        trainer.validate(module, data, verbose=False)
    trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    choice = choose(trainer, record, directory / "last.ckpt")
    return trainer, module, choice


def rows(directory):
    """What was logged, by step and name."""
    found = {}
    for path in sorted(directory.glob("lightning_logs/version_*/metrics.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                named = {name: value for name, value in row.items() if name not in ("step", "epoch") and value}
                assert not {(row["step"], name) for name in named} & found.keys(), "logged twice"
                found |= {(row["step"], name): value for name, value in named.items()}
    return found


def read(path):
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def whole(dataset, bert_directory, tmp_path_factory):
    """An uninterrupted run."""
    directory, before = tmp_path_factory.mktemp("whole"), signal.getsignal(signal.SIGTERM)
    fit(dataset, bert_directory, directory)
    assert signal.getsignal(signal.SIGTERM) is before
    return directory


def goes_on_as_if_nothing_had_happened(dataset, bert_directory, directory, whole):
    _, _, choice = fit(dataset, bert_directory, directory, resume=directory / "last.ckpt")
    assert rows(directory) == rows(whole)
    ours, theirs = read(directory / "last.ckpt"), read(whole / "last.ckpt")
    assert all(torch.equal(ours["state_dict"][name], theirs["state_dict"][name]) for name in theirs["state_dict"])
    assert ours["callbacks"]["LastCheckpoint"] == {"due": None}
    assert [path.name for path in directory.glob("best-*")] == [path.name for path in whole.glob("best-*")]
    assert recorded(ours) == recorded(theirs)
    assert choice.scores == recorded(read(next(whole.glob("best-*"))))[1].scores


@pytest.mark.parametrize("step", [INTERVAL, STEPS])  # between steps, and after the last one, off the interval
def test_a_long_validation_is_left_at_once_and_done_when_the_run_goes_on(
    dataset, bert_directory, tmp_path, whole, monkeypatch, step
):
    monkeypatch.setattr(last_checkpoint, "_LONG_SECONDS", 0.0)
    ends = []

    class Ends(L.Callback):
        def on_validation_end(self, trainer, pl_module):
            ends.append(trainer.global_step)

    with pytest.raises(Interrupted, match=rf"stopped after step {step} of 8; to resume, .* run.checkpoint=last"):
        fit(dataset, bert_directory, tmp_path, Signal("on_validation_batch_start", step), Ends())
    assert step not in ends  # at once
    left = read(tmp_path / "last.ckpt")
    assert left["global_step"] == step
    assert left["callbacks"]["LastCheckpoint"]["due"] is not None
    goes_on_as_if_nothing_had_happened(dataset, bert_directory, tmp_path, whole)


def test_a_long_validation_is_left_while_the_corpus_is_searched(dataset, bert_directory, tmp_path, whole, monkeypatch):
    monkeypatch.setattr(last_checkpoint, "_LONG_SECONDS", 0.0)
    made = []

    def index_and_signal():
        made.append(FaissIndex())
        if len(made) == 3:  # of the second validation of training
            signal.raise_signal(signal.SIGINT)
        return made[-1]

    with pytest.raises(Interrupted, match=r"stopped after step 6 of 8") as stopped:
        fit(dataset, bert_directory, tmp_path, new_index=index_and_signal)
    assert stopped.value.status == 128 + signal.SIGINT
    goes_on_as_if_nothing_had_happened(dataset, bert_directory, tmp_path, whole)


def test_a_short_validation_is_waited_for(dataset, bert_directory, tmp_path, whole):
    with pytest.raises(Interrupted, match=r"stopped after step 3 of 8"):
        fit(dataset, bert_directory, tmp_path, Signal("on_validation_batch_start", 3))
    left = read(tmp_path / "last.ckpt")
    assert (left["global_step"], left["callbacks"]["LastCheckpoint"]) == (3, {"due": None})
    goes_on_as_if_nothing_had_happened(dataset, bert_directory, tmp_path, whole)


def test_a_step_that_is_to_be_validated_ends_before_that(dataset, bert_directory, tmp_path, whole):
    with pytest.raises(Interrupted, match=r"stopped after step 3 of 8"):
        fit(dataset, bert_directory, tmp_path, Signal("on_before_zero_grad", 2))
    left = read(tmp_path / "last.ckpt")
    assert left["global_step"] == 3
    assert left["callbacks"]["LastCheckpoint"]["due"] is not None
    goes_on_as_if_nothing_had_happened(dataset, bert_directory, tmp_path, whole)


@pytest.mark.parametrize(
    "hook", ["on_validation_batch_start", "on_validation_epoch_end", "on_validation_end", "on_train_start"]
)
def test_before_the_first_step_nothing_is_swallowed(dataset, bert_directory, tmp_path, hook):
    steps = []

    class Steps(L.Callback):
        def on_train_batch_start(self, trainer, *args):
            steps.append(trainer.global_step)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match=r"stopped before the first of 8 steps; nothing is lost") as stopped:
        fit(dataset, bert_directory, tmp_path, Signal(hook, 0), Steps())
    assert stopped.value.status == 128 + signal.SIGTERM
    assert steps == []
    assert not (tmp_path / "last.ckpt").exists()
    assert signal.getsignal(signal.SIGTERM) is before


WRITES_AND_DIES = """
import os, sys
from types import SimpleNamespace
from embedder.callbacks.last_checkpoint import LastCheckpoint
def save_checkpoint(path):
    path.write_text("half")
    os.kill(os.getpid(), 9)
LastCheckpoint(sys.argv[1]).save(SimpleNamespace(global_step=1, is_global_zero=True, save_checkpoint=save_checkpoint))
"""


def test_a_kill_while_the_checkpoint_is_written_leaves_the_one_before_and_nothing_for_ever(tmp_path):
    (tmp_path / "last.ckpt").write_text("before")
    dead = subprocess.run([sys.executable, "-c", WRITES_AND_DIES, str(tmp_path)], check=False)
    assert (dead.returncode, len(list(tmp_path.iterdir()))) == (-9, 2)
    assert (tmp_path / "last.ckpt").read_text() == "before"
    remove_orphans(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
