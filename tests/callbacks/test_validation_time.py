"""What is said before a validation that takes long."""

import pytest

from embedder.callbacks import validation_time
from embedder.callbacks.validation_time import Part, long_validation
from tests.entry_points import run_here


def test_a_long_validation_says_how_long_and_what_fewer_keys_take():
    # 16 x (2,000 keys + 400 others) x 0.02 s = 768 s; with 500 keys 16 x 900 x 0.02 = 288 s.
    told = long_validation([Part(2000, 200, 400, 0.02)] * 16, 5)
    assert told.startswith(
        "each of 5 validations takes about 13 minutes: 32,000 keys and 6,400 other texts of 16 data sets"
    )
    assert told.endswith("callbacks.retrieval_eval.max_keys=500 would take about 5 minutes")


def test_gold_keys_stay_so_that_fewer_keys_may_save_nothing():
    told = long_validation([Part(2000, 1990, 400, 0.04)], 2)
    assert "about 96 s" in told
    assert "max_keys" not in told


def test_a_short_one_says_nothing():
    assert long_validation([Part(2000, 200, 400, 0.02)], 2) is None


@pytest.mark.parametrize("part", [Part(2000, 200, 400, 0.02)])
def test_seconds_with_fewer_keys(part):
    assert part.seconds() == pytest.approx(48.0)
    assert part.seconds(500) == pytest.approx(18.0)
    assert part.seconds(100) == pytest.approx(12.0)  # 200 gold keys


def test_a_run_says_it_before_its_first_validation(tmp_path, bert_directory, monkeypatch):
    monkeypatch.setattr(validation_time, "LONG_SECONDS", 0.0)
    done = run_here(
        "train.py",
        *(f"paths.root={tmp_path}", f"hydra.run.dir={tmp_path}/run", "task_mix=tool", "source.settings.passages=200"),
        *(f"encoder.name={bert_directory}", "encoder.sha256=null", "prepare.max_train_queries=20", "logger=csv"),
        *("trainer.accelerator=cpu", "trainer.max_steps=2", "trainer.val_check_interval=2", "data.batch_size=4"),
        *("callbacks.plain.progress=null", "callbacks.retrieval_eval.max_keys=150"),
    )
    assert done.returncode == 0, done.stdout[-2000:]
    said, before = (done.stdout.index(text) for text in ("each of 2 validations takes about", "before training: "))
    assert said < before
    assert done.stdout.count("validations takes about") == 1
