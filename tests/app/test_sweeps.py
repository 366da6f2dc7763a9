"""Sweeps from their command lines: every job counts, on its own, and the table says what became of each."""

import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from embedder.entry.study import Study
from embedder.entry.sweep import jobs_of, table
from embedder.entry.sweep_job import as_job, same_as_another, searched_names
from embedder.errors import ConfigError, DataError
from tests.entry_points import run_here

TOOLS = ("weather by city", "stock prices", "train times", "recipe search", "film reviews", "currency rates")


@pytest.fixture(scope="module")
def command(tmp_path_factory, bert_directory):
    root = tmp_path_factory.mktemp("sweeps")
    (root / "data").mkdir()
    keys = [{"id": f"k{i}", "text": text} for i, text in enumerate(TOOLS)]
    queries = [{"query_id": f"q{i}", "query": f"I need {text}, now", "pos": [f"k{i}"]} for i, text in enumerate(TOOLS)]
    for name, lines in (("corpus", keys), ("train", queries), ("test", queries)):
        (root / "data" / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [
        f"paths.root={root}",
        "task_mix=tool",
        "source=corpus",
        f"source.path={root}/data",
        f"encoder.name={bert_directory}",
        "candidates.n=3",
    ]


@pytest.fixture(scope="module")
def training(command):
    steps = ["trainer.max_steps=2", "trainer.val_check_interval=2", "trainer.accelerator=cpu", "data.batch_size=2"]
    return [*command, *steps, "logger=csv", "callbacks.plain.progress=null"]


def jobs(folder):
    return {int(job["folder"]): job for job in jobs_of(folder)}


def test_jobs_run_as_they_would_alone_and_a_failed_one_loses_none(training, tmp_path):
    environment = dict(os.environ)
    sizes, folder = "tasks.tool.sampling.group_size=0,3", tmp_path / "sweep"
    done = run_here("train.py", "-m", *training, "seed=0,1", sizes, f"hydra.sweep.dir={folder}")
    assert done.returncode == 1  # not all is well
    assert dict(os.environ) == environment
    found = jobs(folder)
    assert [found[n]["state"] for n in range(4)] == ["failed", "done", "failed", "done"]
    assert found[0]["reason"] == "tasks.tool.sampling.group_size: expected 1 or more, got 0"
    alone = run_here("train.py", *training, "seed=1", "tasks.tool.sampling.group_size=3", f"hydra.run.dir={tmp_path}/a")
    assert f"(val/ndcg@10 {found[3]['value']:.4f})" in alone.stdout
    weights = [path / "export" / "model.safetensors" for path in (folder / "3", tmp_path / "a")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    written = (folder / "sweep.md").read_text()
    assert written in done.stdout
    header, _, first, second, *failed = written.splitlines()
    assert [cell.strip() for cell in header.split("|")[1:-1]] == [
        "seed", "tasks.tool.sampling.group_size", "val/ndcg@10", "folder"
    ]  # what the jobs differ in  # fmt: skip
    assert float(first.split("|")[3]) >= float(second.split("|")[3])
    assert sum("failed" in line for line in failed) == 2
    log = (folder / "3" / "csv" / "metrics.csv").read_text().splitlines()
    assert "best/val/ndcg@10" in log[0]


def test_a_strategy_that_would_start_the_sweep_again_is_refused(training, tmp_path):
    devices = ["trainer.devices=1,2", "trainer.strategy=ddp"]
    done = run_here("train.py", "-m", *training, *devices, f"hydra.sweep.dir={tmp_path}/ddp")
    assert done.returncode == 1
    found = jobs(tmp_path / "ddp")
    assert (found[0]["state"], found[1]["state"]) == ("done", "failed")
    assert found[1]["reason"].startswith("trainer.strategy: expected ddp_spawn")
    assert not dist.is_initialized()  # the group of one of the first job is closed


@pytest.mark.slow
def test_jobs_on_one_and_two_processes_train_alike(training, tmp_path):
    devices = ["trainer.devices=1,2,1", "trainer.strategy=ddp_spawn", "encoder.dropout=0", "seed=3"]
    done = run_here("train.py", "-m", *training, *devices, f"hydra.sweep.dir={tmp_path}/spawn")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "after 0 steps" not in done.stdout  # the process that has started others does not know their steps
    values = [job["value"] for job in jobs(tmp_path / "spawn").values()]
    assert values == pytest.approx([values[0]] * 3, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_launchers_run_jobs_in_processes_of_their_own(training, tmp_path, launcher):
    done = run_here(
        "train.py", "-m", *training, f"hydra/launcher={launcher}", "seed=0,1", f"hydra.sweep.dir={tmp_path}/sweep"
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert [job["state"] for job in jobs(tmp_path / "sweep").values()] == ["done", "done"]


def test_prepare_and_evaluate_sweep_too(command, tmp_path):
    done = run_here(
        "prepare.py", "-m", *command, "candidates.max_gold=1", "candidates.n=2,3,2", f"hydra.sweep.dir={tmp_path}/p"
    )
    assert done.returncode == 0, done.stdout[-2000:]
    text = (tmp_path / "p" / "sweep.md").read_text()
    assert "| candidates.n | state | folder |" in text
    assert text.endswith(f"\n- 2 {same_as_another('0')}\n")
    assert done.stdout.count("has the same configuration as") == 2  # as the job begins, and in sweep.md
    rows = ["rows=[bm25,base]", "run.rag_enabled=false", "optimise=bm25/mrr@5", "run.cutoffs=[1],[5]"]
    done = run_here("evaluate.py", "-m", *command, *rows, f"hydra.sweep.dir={tmp_path}/e")
    assert done.returncode == 0, done.stdout[-2000:]
    # Each request holds the words of its tool. With [1] there is no mrr@5.
    assert [(job["settings"]["run.cutoffs"], job["value"]) for job in jobs_of(tmp_path / "e")] == [
        ([5], 1.0),
        ([1], None),
    ]


def test_an_evaluation_is_searched_by_settings_of_its_own(command, tmp_path):
    space = ["hydra/sweeper=study", "hydra.sweeper.params=null", "hydra.sweeper.n_trials=1", "bm25.k1=interval(0.5,2)"]
    rows = ["rows=[bm25]", "run.rag_enabled=false", "optimise=bm25/mrr@5"]
    done = run_here("evaluate.py", "-m", *command, *rows, *space, f"hydra.sweep.dir={tmp_path}/s")
    assert done.returncode == 0, done.stdout[-2000:]
    assert 0.5 <= jobs(tmp_path / "s")[0]["settings"]["bm25.k1"] <= 2


def test_jobs_that_lose_come_first_where_less_is_better(tmp_path):
    (tmp_path / "sweep.json").write_text(json.dumps({"metric": "val/loss", "worth": -1, "searched": ["a"]}))
    for n, job in enumerate(
        (
            {"state": "done", "value": 2.0, "settings": {"a": 1, "b": 5}},
            {"state": "stopped", "value": None, "settings": {"a": 2, "b": 5}},
            {"state": "done", "value": 1.0, "settings": {"a": "x|y", "b": 5}},
        )
    ):
        (tmp_path / str(n)).mkdir()
        (tmp_path / str(n) / "job.json").write_text(json.dumps(job))
    assert table(jobs_of(tmp_path), {"metric": "val/loss", "searched": ["a"]}).splitlines() == [
        "| a    | val/loss | folder |",
        "| ---- | -------: | -----: |",
        "| x\\|y |   1.0000 |      2 |",
        "| 1    |   2.0000 |      0 |",
        "| 2    |  stopped |      1 |",
    ]


@pytest.mark.parametrize("name", ["sweep.json", "0/job.json"])
@pytest.mark.parametrize("damaged", ["", '{"state": "done"}', "[]"])
def test_a_damaged_file_of_a_sweep_is_named(name, damaged, tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "sweep.json").write_text(json.dumps({"metric": None, "worth": 1, "searched": []}))
    (tmp_path / name).write_text(damaged)
    with pytest.raises(DataError, match=f"{name}: damaged, not what an earlier run wrote"):
        jobs_of(tmp_path)


def test_a_finished_job_whose_file_lacks_its_value_runs_again(monkeypatch, tmp_path):
    overrides = {"task": [], "hydra": []}
    hydra = {"mode": RunMode.MULTIRUN, "runtime": {"output_dir": f"{tmp_path}/0"}, "sweep": {"dir": str(tmp_path)}}
    config = OmegaConf.create({"hydra": {**hydra, "job": {"num": 0}, "overrides": overrides}})
    monkeypatch.setattr(HydraConfig.instance(), "cfg", config)
    ran, run = [], SimpleNamespace(made_of={"data": "a"}, run=lambda: ran.append(1) or 0.5)
    assert [as_job(lambda outcome_of: outcome_of(run), config) for _ in range(2)] == [0.5, 0.5]
    assert len(ran) == 1
    path = tmp_path / "0" / "job.json"
    whole = path.read_text()
    path.write_text(whole.replace(', "value": 0.5', ""))
    assert as_job(lambda outcome_of: outcome_of(run), config) == 0.5
    assert len(ran) == 2
    assert path.read_text() == whole


def test_what_the_command_line_fixes_is_not_searched():
    params = {"a": "interval(0, 1)", "b": "1,2"}
    assert searched_names(["a=0.5", "+c=x,y", "d=3"], params) == ["b", "c"]


def study(folder, optimise="val/ndcg@10", stop_at=None, ran=None, **settings):
    """Jobs whose value is -(a - 2)^2 / b; before the one of number `stop_at` ends, the process is killed."""

    def launch(jobs, first):
        values = []
        for number, job in enumerate(jobs, start=first):
            if number == stop_at:
                raise KeyboardInterrupt
            chosen = dict(one.split("=") for one in job)
            (ran if ran is not None else []).append(number)
            values.append(math.nan if chosen["b"] == "bad" else -((float(chosen["a"]) - 2) ** 2) / int(chosen["b"]))
        return values

    config = OmegaConf.create({"optimise": optimise, "hydra": {"sweep": {"dir": str(folder)}}})
    usual = {"params": {"a": "interval(0, 4)", "b": "choice(1, 2)"}, "n_trials": 14, "at_once": 1, "seed": 0}
    return Study(config, launch, **(usual | settings))


def trials(folder):
    import optuna

    found = optuna.load_study(study_name="study", storage=f"sqlite:///{folder}/study.db").trials
    return [(trial.number, trial.params, trial.value, trial.state.name) for trial in found]


def test_a_study_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path):
    best = study(tmp_path / "whole").search(["seed=3"])
    with pytest.raises(KeyboardInterrupt):
        study(tmp_path / "cut", stop_at=11).search(["seed=3"])
    assert trials(tmp_path / "cut")[11][3] == "RUNNING"
    ran = []
    assert study(tmp_path / "cut", ran=ran).search(["seed=3"]) == best > -0.1
    assert ran == [11, 12, 13]
    assert trials(tmp_path / "cut") == trials(tmp_path / "whole")
    for other in (["a=interval(0, 5)", "seed=3"], ["seed=4"]):
        with pytest.raises(ConfigError, match=r"hydra\.sweep\.dir: expected a folder of its own"):
            study(tmp_path / "cut").search(other)


def test_a_study_goes_where_its_metric_goes_and_counts_failed_jobs(tmp_path):
    least = study(tmp_path / "loss", "val/loss", params={"a": "interval(0, 4)", "b": "1"}).search([])
    assert least < -3.5  # the ends, where -(a - 2)^2 is smallest
    study(tmp_path / "bad", n_trials=6, at_once=4).search(["b=choice(bad, 1)"])
    assert {state for *_, state in trials(tmp_path / "bad")} == {"FAIL", "COMPLETE"}
    assert len(trials(tmp_path / "bad")) == 6
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "study.db").write_text("not a database " * 99)
    with pytest.raises(DataError, match=r"study\.db: not a whole study"):
        study(tmp_path / "none").search([])
    with pytest.raises(ConfigError, match=r"hydra\.sweeper\.params: expected settings with interval"):
        study(tmp_path / "none", params={}).search(["seed=1"])


def test_a_study_runs_from_its_command_line(training, tmp_path):
    space = ["hydra/sweeper=study", "hydra.sweeper.n_trials=2", "data.batch_size=choice(2,3)"]
    done = run_here("train.py", "-m", *training, *space, f"hydra.sweep.dir={tmp_path}/s", "run.checkpoint=last")
    assert done.returncode == 0, done.stdout[-2000:]
    found = jobs(tmp_path / "s")
    assert sorted(found) == [0, 1]
    assert all(1e-5 <= job["settings"]["encoder.lr"] <= 5e-4 for job in found.values())
    assert "encoder.lr" in (tmp_path / "s" / "sweep.md").read_text().splitlines()[0]
    path = Path(training[3].removeprefix("source.path=")) / "train.jsonl"
    text = path.read_text()
    path.write_text(text.replace("now", "today"))
    space[1] = "hydra.sweeper.n_trials=3"
    other = run_here("train.py", "-m", *training, *space, f"hydra.sweep.dir={tmp_path}/s")
    path.write_text(text)
    assert other.returncode == 2
    assert f"{tmp_path}/s/2: its data are not those of the trials before it" in other.stdout
    assert {one.name for one in (tmp_path / "s" / "2").iterdir() if one.is_dir()} == {".hydra"}  # nothing was trained
    wrong = run_here("train.py", "-m", *training, "hydra/sweeper=study", "hydra.sweeper.n_trials=0")
    assert wrong.returncode == 2
    assert "hydra.sweeper.n_trials: expected 1 or more, got 0" in wrong.stdout
