"""Labelling processes of one machine: the records are those of a single process."""

import signal
import threading
import time
import weakref

import psutil
import pytest

from embedder.engines.local import LocalEngine
from embedder.errors import ConfigError, EmbedderError
from embedder.preparation.prepare import PrepareRun, prepare
from embedder.retrieval.retrievers import BM25Retriever
from embedder.training.budget import Budget
from tests.engines.conftest import TASK
from tests.engines.same_records import addresses, assert_same_records


def test_two_processes_share_the_queries_and_none_is_asked_twice(make, alone, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO")
    preparation = make(tmp_path)
    monkeypatch.setattr(BM25Retriever, "fit", None)  # in this process, which writes: candidates are proposed once
    (dataset,) = prepare({"qa": TASK}, preparation, LocalEngine(2))
    assert_same_records(dataset.directory, alone)
    assert caplog.text.count("proposing candidates of 40 queries") == 1
    assert not list(dataset.directory.parent.glob(".*"))
    assert preparation.rewards.language_model.tokens_run == 0  # the writer reads the store alone
    assert "[1/2] qa/mine: 32 queries" in caplog.text
    assert "[2/2] qa/mine: 8 queries" in caplog.text
    stored = addresses(tmp_path / "store")
    assert len(stored) == len(set(stored)) == len(set(addresses(alone.parents[2] / "store")))


def workers() -> list[psutil.Process]:
    """Processes that multiprocessing has started from this one."""
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_a_killed_process_ends_all_and_the_next_run_resumes(make, alone, tmp_path):
    def kill() -> None:
        while not list((tmp_path / "store" / "scores").glob("*.parquet")):
            time.sleep(0.01)
        workers()[0].send_signal(signal.SIGKILL)

    preparation = make(tmp_path)
    before = len(workers())
    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(EmbedderError, match=r"labelling process \d of 2 has ended \(SIGKILL\).* is kept in .*resume"):
        prepare({"qa": TASK}, preparation, LocalEngine(2))
    assert len(workers()) == before
    kept = set(addresses(tmp_path / "store"))
    assert kept
    (dataset,) = prepare({"qa": TASK}, preparation)
    assert_same_records(dataset.directory, alone)
    assert kept < set(addresses(tmp_path / "store"))


def test_an_open_budget_is_spent_by_a_single_process(make, tmp_path, caplog):
    caplog.set_level("INFO")
    prepare({"qa": TASK}, make(tmp_path, budget=Budget(tokens=100)), LocalEngine(2))
    assert "qa/mine: its budget is in tokens or minutes, so a single process spends it" in caplog.text
    assert "2 processes" not in caplog.text


def test_a_part_is_for_one_process(make, tmp_path, monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="shard: expected null, since the 2 processes of torchrun or srun share"):
        PrepareRun({"qa": TASK}, make(tmp_path), shard="1/2").run()
    assert not (tmp_path / "store").exists()


def test_a_device_by_its_number_is_refused_for_several_processes(make, tmp_path):
    with pytest.raises(ConfigError, match=r"llm\.device: expected auto, since each of several"):
        prepare({"qa": TASK}, make(tmp_path, device="cuda:1"), LocalEngine(2))


def test_what_labelled_gives_its_memory_back(make, tmp_path):
    preparation = make(tmp_path)
    weights = weakref.ref(preparation.rewards.language_model._local.model)
    prepare({"qa": TASK}, preparation)
    assert weights() is not None
    preparation.release()
    assert weights() is None
    assert preparation.rewards.language_model.generate(["Q:"], 1)  # loaded again
