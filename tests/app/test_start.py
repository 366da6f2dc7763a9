"""What is wrong with a command line or with what lies around a run ends in one line, before anything is imported."""

import errno
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from embedder.entry.faults import message_for_user
from embedder.entry.settings import check_settings
from embedder.entry.signatures import parameters
from embedder.entry.surroundings import settle
from embedder.errors import ConfigError
from tests.entry_points import ROOT, composed, run_here

CORPUS = ("source=corpus",)


def refused(entry, *overrides):
    """What is said of a command line."""
    config = composed(entry, *overrides)
    with pytest.raises(ConfigError) as error:
        check_settings(config, overrides)
    return str(error.value)


@pytest.mark.parametrize(
    ("written", "quoted"),
    [
        ("2024", '"2024"'),
        ("1_000", '"1_000"'),
        ("nan", '"nan"'),
        ("1e5", '"1e5"'),
        ("true", '"true"'),
        ("null", '"null"'),
        ("[2024]", '["2024"]'),
        ("[data,2024]", '["data","2024"]'),
    ],
)
def test_a_folder_that_is_read_as_a_number_is_told_how_to_be_quoted(written, quoted):
    message = refused("evaluate", *CORPUS, f"source.path={written}")
    assert message.startswith("source.path: expected text or a list of text")
    assert f"'source.path={quoted}'" in message
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):  # the advice works as it is written
        config = compose("evaluate", overrides=["paths.root=/", "paths.output_dir=/", *CORPUS, f"source.path={quoted}"])
    check_settings(config)
    path = config.source.path
    assert (path if isinstance(path, str) else ",".join(path)) == written.strip("[]")


@pytest.mark.parametrize(
    ("entry", "overrides", "message"),
    [
        ("evaluate", CORPUS, "source.path: expected a value (source.path=...), since it has no default, got None"),
        ("evaluate", ["rows=bm25"], "rows: expected a list of text or null, such as [bm25], got 'bm25'"),
        ("evaluate", [*CORPUS, "source.path=x", "source.only=a"], "source.only: expected a list of text or null, such"),
        ("prepare", ["action=merge", "run.stores=/nope"], "run.stores: expected a list of text, such as [/nope], got"),
        ("prepare", ["candidates.n=2.5"], "candidates.n: expected a whole number, got 2.5"),
        ("prepare", ["prepare=null"], "prepare: expected settings of Preparation, got None"),
        ("train", ["tasks=foo"], "tasks: expected a mapping, got 'foo'"),
        ("train", ["tasks.qa.weight=nan"], "tasks.qa.weight: expected a finite number, got nan"),
        ("train", ["tasks.qa.query_keep=middle"], "tasks.qa.query_keep: expected 'start' or 'end', got 'middle'"),
        ("train", ["tasks.qa.key_max_length=4"], "tasks.qa.key_max_length: expected 8 or more tokens, got 4"),
        (
            "train",
            ["tasks.qa.labelling.max_train_queries=1"],
            "max_train_queries: expected 2 or more (one for validation), or null,",
        ),
        ("train", ["encoder.lr=0"], "encoder.lr: expected a number above 0, got 0"),
        ("train", ["encoder.dropout=1"], "encoder.dropout: expected a share from 0 to below 1, or null, got 1"),
        (
            "train",
            ["encoder.pooling=max"],
            "encoder.pooling: expected one of ['cls', 'last', 'mean'] or null, got 'max'",
        ),
        ("train", ["reward.likelihood=max"], "reward.likelihood: expected 'mean' or 'sum', got 'max'"),
        ("train", ["callbacks.plain.loss_guard.diverged_at=1"], "diverged_at: expected a number above 1, got 1"),
        (
            "evaluate",
            ["action=index", "engine=ray"],
            "engine: expected no setting of it, since this action has",
        ),
        ("evaluate", ["action=mteb", "engine=ray"], "that an engine shares, got 'engine=ray'"),
        ("evaluate", ["rag.max_answered=0"], "rag.max_answered: expected 1 or more, or null for all, got 0"),
        ("train", ["encoder.lora=1"], "encoder.lora: expected settings of LoraSettings or null, got 1"),
        ("train", ["seed=99999999999"], "seed: expected 0 to 4294967295, got 99999999999"),
        ("train", ["run=null"], "run: expected settings with a _target_"),
        ("train", ["+encoder.poolin=cls"], "(did you mean pooling?), got 'cls'"),
        ("train", ["~encoder.name"], "encoder.name: expected a value, since it has no default"),
        ("train", ["encoder._target_=embedder.encoders.config.EncoderConf"], "(did you mean EncoderConfig?)"),
        ("train", ["encoder._target_=embedder.modells.Encoder"], "encoder._target_: expected a class or function of"),
        ("train", ["encoder._target_=nowhere.Encoder"], "encoder._target_: expected a class or function of an inst"),
        ("prepare", ["prepare.dense._target_=[null]"], "prepare.dense._target_: expected text"),
        ("train", ["+tasks.qa.objective.losses.more={a: 1}"], "tasks.qa.objective.losses: expected a mapping"),
        ("train", ["+encoder._partial_=1"], "encoder._partial_: expected true or false, got 1"),
    ],
)
def test_a_setting_is_held_against_what_it_is_for_under_the_name_that_a_user_sets(entry, overrides, message):
    assert message in refused(entry, *overrides)


def test_what_a_run_does_not_read_may_be_missing():
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        overrides = ["paths.root=/", "paths.output_dir=/", *CORPUS, "action=compare", "runs=[a,b]"]
        check_settings(compose("evaluate", overrides=overrides))


def test_every_target_of_the_configuration_can_be_looked_up():
    for path in (ROOT / "conf").rglob("*.yaml"):
        for line in path.read_text().splitlines():
            name, _, target = line.strip().partition(": ")
            if name == "_target_":
                assert not isinstance(parameters(target.split(" ")[0]), str), target


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("soruce=corpus", "soruce: there is no such setting; did you mean source?"),
        (
            "source=corpsu",
            "source: expected one of corpus, folder, jsonl, public, released, world (did you mean corpus?), got"
            " 'corpsu'",
        ),
        ("encoder.poolin=cls", "encoder.poolin: there is no such setting; did you mean encoder.pooling?"),
        ("benchmark=nq", "benchmark: a group of evaluate alone"),
        (
            "early_stop=settled",
            "early_stop: there is no such setting; did you mean early_stop@prepare.rewards.early_stop?",
        ),
        ("bm25/x=1", "bm25/x: there is no such setting; did you mean bm25?"),
        ("public=nq", "public: a choice of this group is put into a setting, as in +public@SETTING=2wikimultihopqa"),
        ("+index=flat", "index: this command has that group already, so its choice is set without the +"),
        ("source.paht=x", "source.paht: there is no such setting; did you mean source.path?"),
        (
            "encoder=null",
            "encoder: expected one of bge_base, bge_base_v1, llama_1b_lora, minilm, modernbert_base, qwen3_0_6b, got"
            " 'null'",
        ),
        (
            "trainer.limit_val_batches=0",
            "trainer.limit_val_batches: not in the configuration, but lightning.Trainer takes it:"
            " +trainer.limit_val_batches=0 adds it",
        ),
        (
            "trainer.limit_val_batchs=0",
            "trainer.limit_val_batchs: there is no such setting; did you mean trainer.limit_val_batches?",
        ),
        (
            "optim.betas=[0.9,0.98]",
            "optim.betas: not in the configuration, but embedder.training.schedule.AdamWLinear takes it:"
            " '+optim.betas=[0.9,0.98]' adds it",
        ),
        (
            "callbacks.plain.best.monitr=x",
            "callbacks.plain.best.monitr: there is no such setting; did you mean callbacks.plain.best.monitor?"
            " +callbacks.plain.best.monitr=x hands it to embedder.callbacks.best.best_checkpoint as it is",
        ),
        ("max_steps=3", "max_steps: there is no such setting; did you mean trainer.max_steps?"),
        (
            "source.path=x",
            "source.path: a setting of source=corpus or source=folder or source=jsonl or source=released, which this"
            " command does not choose",
        ),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(override, message):
    done = run_here("train.py", override)
    assert (done.returncode, done.stderr.strip(), done.stdout) == (2, message, "")


def test_settings_that_do_not_fit_together_are_named_as_a_user_sets_them():
    done = run_here("train.py", *CORPUS, "source.path=x", "tasks.qa.sampling.positives=9")
    assert done.stdout.strip().endswith("tasks.qa.sampling.positives: expected 1 to 8 (group_size), got 9")


def test_a_task_is_named_as_its_settings_are():
    done = run_here("prepare.py", *CORPUS, "source.path=x", "tasks.qa.name=faq")
    assert done.stdout.strip().endswith(
        "tasks.qa.name: expected 'qa', as the settings of this task are called, got 'faq'"
    )


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("run.max_queries=4", "run.max_test_queries"),
        ("prepare.max_queries=4", "prepare.max_train_queries"),
    ],
)
def test_a_longer_name_like_the_unknown_one_is_nearest(override, meant):
    line = f"{override.partition('=')[0]}: there is no such setting; did you mean {meant}?"
    assert run_here("evaluate.py", override).stderr.strip() == line


def test_what_hydra_cannot_parse_is_told_in_two_lines():
    done = run_here("train.py", "llm.url=http://[::1")
    assert (done.returncode, len(done.stderr.splitlines()), done.stdout) == (1, 2, "")
    assert "is quoted for Hydra and for the shell" in done.stderr


def test_bad_settings_are_told_before_torch_is_imported(tmp_path):
    script = (
        "import sys, runpy\n"
        f"sys.argv = ['train.py', 'candidates.n=1', 'hydra.run.dir={tmp_path}']\n"
        "try: runpy.run_path('train.py', run_name='__main__')\n"
        "except SystemExit as end: print('left with', end.code, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "candidates.n: expected 2 or more (a query needs something to compare), got 1" in done.stdout
    assert "left with 2 False" in done.stdout


_SPEAKS = """
import logging, sys, time
from rich.progress import track
from embedder.entry.plain_log import log_plainly
from embedder.entry.surroundings import settle_streams
settle_streams(outlast_reader=len(sys.argv) < 3)
handlers = logging.StreamHandler(sys.stdout), logging.FileHandler(sys.argv[1] + "/log")
logging.basicConfig(level="INFO", handlers=handlers)
log_plainly()
for number in track(range(10)):
    time.sleep(0.1)
    logging.info("line %d", number)
    print(number)
with open(sys.argv[1] + "/end", "w") as end:
    end.write(f"{number} {end.fileno() > 2}")
"""


def test_a_run_whose_output_nothing_reads_any_more_goes_on_without_a_traceback(tmp_path):
    for redirection in ("| true", ">&-"):
        line = f"({shlex.join([sys.executable, '-c', _SPEAKS, str(tmp_path)])}; echo $? >&2) {redirection}"
        done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
        assert ((tmp_path / "end").read_text(), done.stderr) == ("9 True", "0\n"), redirection
        assert (tmp_path / "log").read_text().splitlines() == [f"INFO:root:line {number}" for number in range(10)]
        (tmp_path / "log").unlink()


def test_what_is_made_to_be_read_ends_with_its_reader_without_a_traceback(tmp_path):
    search = [sys.executable, "-m", "embedder", "search", "--help"]
    for command in ([sys.executable, "-c", _SPEAKS, str(tmp_path), "ends"], search):
        # It begins when what would read it has ended.
        line = f"(sleep 0.3; {shlex.join(command)}; echo $? >&2) | true"
        done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stderr == "141\n", command  # 128 and the number of SIGPIPE, as of `grep`
    assert not (tmp_path / "end").exists()
    assert (tmp_path / "log").read_text().count("\n") <= 1


class OutOfMemoryError(RuntimeError):
    """As torch's."""


def test_what_the_system_and_libraries_throw_is_one_line_with_advice(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    ended = RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:3344\nmore\nlines")
    elsewhere = RuntimeError(
        "Caught X in a process\nTraceback:\n  code\nembedder.errors.DataError: a.jsonl:3: not JSON"
    )
    for error, message in (
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "/data/x: the disk is full; free some of it"),
        (
            shutil.Error([("/a/x", "/data/x", "[Errno 28] No space left on device")]),  # as `shutil.copytree` raises it
            "/data/x: the disk is full; free some of it",
        ),
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), "/data/x: this disk can only be read; paths.root"),
        (PermissionError(errno.EACCES, "Permission denied", "/x\x1b[2J"), "/x␛[2J: no permission; paths.root"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), "encoder.cached_gradients=true"),
        (RuntimeError("can't start new thread"), "out of memory (can't start new thread); encoder.cached_gradients"),
        (RuntimeError("could not create a primitive"), "out of memory (could not create a primitive)"),
        (MemoryError("Unable to allocate 3 TiB"), "out of memory (Unable to allocate 3 TiB); encoder.cached_gradients"),
        (ended, "another process of this run ended ([../gloo/transport/tcp/pair.cc:534] Connection closed by peer"),
        (ended, f"run the same command with hydra.run.dir={tmp_path} run.checkpoint=last"),
        (elsewhere, "a.jsonl:3: not JSON"),
        (
            IndexError("index out of range in self"),
            "the tokenizer in the folder of encoder.name, llm.name or checkpoint",
        ),
        (RuntimeError("Could not determine home directory."), "HOME=FOLDER names one"),
    ):
        line = message_for_user(error, None, tmp_path)
        assert line is not None
        assert message in line
        assert "\n" not in line
    assert message_for_user(KeyError("ours")) is None
    assert message_for_user(IndexError("list index out of range")) is None
    assert message_for_user(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None


def test_a_library_that_refuses_a_setting_is_told_with_the_key_of_the_user():
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    config = OmegaConf.create({"run": {"_target_": "builtins.dict", "when": "${date}"}, "date": None})
    config.date = {"_target_": "datetime.date", "year": 0, "month": 1, "day": 1}
    with pytest.raises(InstantiationException) as error:
        instantiate(config.run)
    assert message_for_user(error.value, config) == "date: year 0 is out of range"


def test_a_user_without_home_or_name_gets_both(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/proc")
    monkeypatch.setenv("LOGNAME", "x")
    settle(tmp_path / "home")
    assert Path.home() == tmp_path / "home"
    settle(tmp_path / "other")  # this one will do
    assert Path.home() == tmp_path / "home"


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_ends_a_preparation_with_what_is_kept(tmp_path, monkeypatch, number, name):
    monkeypatch.setattr("embedder.preparation.prepare.write_records", lambda *args: signal.raise_signal(number))
    before = signal.getsignal(number)
    small = ["task_mix=tool", "source.settings.passages=200", "source.settings.questions=20"]
    done = run_here("prepare.py", f"paths.root={tmp_path}", *small, f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 128 + number
    kept = f"stopped by {name}: what the LLM has said is kept in {tmp_path}/data/store; to resume, run the same command"
    assert kept in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert signal.getsignal(number) is before
    assert not list((tmp_path / "data" / "prepared" / "tool").glob("world-*"))


def test_a_signal_ends_an_evaluation_with_what_is_kept(tmp_path, monkeypatch):
    score = "embedder.evaluation.dataset_rows.DatasetRows.score"
    monkeypatch.setattr(score, lambda *args: signal.raise_signal(signal.SIGINT))
    small = ["task_mix=tool", "source.settings.passages=200", "source.settings.questions=20", "rows=[bm25]"]
    done = run_here("evaluate.py", f"paths.root={tmp_path}", *small, f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 130, done.stdout
    assert f"to resume, run the same command with hydra.run.dir={tmp_path}/run" in done.stdout


def test_a_checkpoint_that_is_not_there_is_told_with_what_is_expected(tmp_path):
    done = run_here("evaluate.py", f"paths.root={tmp_path}", "task_mix=tool", "rows=[trained]", "checkpoint=/nowhere")
    assert done.returncode == 2
    assert "checkpoint: expected a .ckpt file, the folder export/ of a training run" in done.stdout + done.stderr


def test_files_of_the_demo_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = composed("prepare", "experiment=demo")
    assert all(Path(path).is_relative_to(ROOT) for path in config.run.preparation.rewards.shipped_stores)
    assert Path(config.source.path, "tool").is_dir()


@pytest.mark.slow
def test_two_processes_of_torchrun_share_the_queries_and_train_together(tmp_path, bert_directory, llama_directory):
    run = [f"paths.root={tmp_path}", f"encoder.name={bert_directory}", f"llm.name={llama_directory}", "llm.device=cpu"]
    run += ["encoder.sha256=null", "source.settings.passages=200", "source.settings.questions=30"]
    run += ["llm_outputs.n_outputs=2", "llm_outputs.max_new_tokens=4", "prepare.max_train_queries=20", "logger=csv"]
    run += ["trainer.accelerator=cpu", "trainer.devices=2", "trainer.strategy=ddp", "trainer.max_steps=2"]
    run += ["trainer.val_check_interval=2", "data.batch_size=4", f"hydra.run.dir={tmp_path}/run"]
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    done = subprocess.run([*start, "train.py", *run], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert sorted(re.findall(r"(\d+) queries of part \d/2 are labelled", done.stdout)) == ["16", "4"]
    assert "labelled 20 queries" in done.stdout  # by one, off the store: 0 prompts are scored
    assert done.stdout.count("0 prompts with 0 outputs scored") == 1
    assert (tmp_path / "run" / "export" / "model.safetensors").is_file()
