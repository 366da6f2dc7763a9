"""A process of a training that dies takes the run with it, at once and with a message."""

import re
import subprocess
import sys
import time

import psutil
import pytest

from tests.entry_points import ROOT
from tests.robustness.chain import Chain, write_data

pytestmark = pytest.mark.slow

_SECONDS_TO_START = 1200


def test_a_dead_ddp_worker_ends_the_run(tmp_path, bert_directory, llama_directory):
    write_data(tmp_path)
    words = Chain(tmp_path, bert_directory, llama_directory).train().words
    more = ["trainer.devices=2", "trainer.strategy=ddp", "trainer.max_steps=100000", "trainer.val_check_interval=1000"]
    more += ["callbacks.reindex.every_n_steps=null", "reward=none", "run.checkpoint=null"]
    said = tmp_path / "said.txt"
    with said.open("wb") as file:
        run = subprocess.Popen(
            [sys.executable, "train.py", *words[1:], *more], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        checkpoint = tmp_path / "train" / "checkpoints" / "last.ckpt"
        for _ in range(_SECONDS_TO_START * 10):
            if checkpoint.is_file() or run.poll() is not None:
                break
            time.sleep(0.1)
        assert run.poll() is None, said.read_text()[-3000:]
        (worker,) = (one for one in psutil.Process(run.pid).children() if one.environ().get("LOCAL_RANK") == "1")
        worker.kill()
        status = run.wait(timeout=600)  # ten times the promised minute: 100,000 steps would take far longer
    finally:
        run.kill()
    text = said.read_text()
    # Lightning watches its processes too, and may kill the first one before that has said what it saw.
    assert status in (2, -9), text[-3000:]
    assert re.search("another process of this run ended|terminated with code -9", text), text[-3000:]
    assert "Traceback" not in text
