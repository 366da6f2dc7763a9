"""A secret that reaches a setting ends the run before anything is written, and is not repeated."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from embedder import shown as shown_module
from embedder.entry.secrets import hide_environment, setting_with_secret
from embedder.shown import shown
from tests.entry_points import ROOT, run_here
from tests.llm.local_server import local_server

KEY = "sk-proj-0123456789abcdef"
PLAIN_KEY = "0a1b2c3d4e5f60718293a4b5"


@pytest.fixture(autouse=True)
def nothing_hidden(monkeypatch):
    monkeypatch.setattr(shown_module, "_secrets", set())


@pytest.mark.parametrize(
    ("overrides", "setting"),
    [
        ([f"llm.api_key_env={KEY}"], "llm.api_key_env"),
        ([f"llm.api_key_env={PLAIN_KEY}"], "llm.api_key_env"),  # of no form that is known, yet no name of a variable
        (["llm.api_key_env=1234567890"], "llm.api_key_env"),
        (["llm.api_key_env=${oc.env:MY_TOKEN}"], "llm.api_key_env"),
        ([f"llm.name={KEY}"], "llm.name"),
        (["llm.name=${oc.env:MY_TOKEN}"], "llm.name"),
        ([f"llm.name=x{PLAIN_KEY}y"], "llm.name"),  # the value of a variable that is named like one of a secret
        (["llm.url='http://me:pass-word@h/v1'"], "llm.url"),
        (["llm.url='http://h/v1?api_key=pass-word'"], "llm.url"),
        ([f"hydra.run.dir=out/{KEY}"], "hydra.run.dir"),
        (["--cfg", "job", f"llm.api_key_env={KEY}"], "llm.api_key_env"),
        ([f"llm.api_key_emv={KEY}"], "llm.api_key_emv"),  # Hydra would repeat what it does not know
        (["+llm.api_key=of-no-form"], "llm.api_key"),
        ([KEY], "the command line"),
        (["-m", "seed=0,1", f"llm.api_key_env={KEY},{PLAIN_KEY}"], "llm.api_key_env"),
        (["-m", f"llm.name=a,{KEY}"], "llm.name"),
        (["-m", f"llm.api_key_env=choice(LLM_API_KEY,{PLAIN_KEY})"], "llm.api_key_env"),
    ],
)
def test_a_secret_in_a_setting_ends_the_run_before_it_is_written(tmp_path, monkeypatch, overrides, setting):
    monkeypatch.setenv("EMBEDDER_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("MY_TOKEN", PLAIN_KEY)
    monkeypatch.chdir(tmp_path)
    done = run_here("prepare.py", *overrides, "llm=server")
    assert done.returncode == 2
    assert done.stderr.startswith(f"{setting}: holds what looks like a secret")
    assert len(done.stderr.splitlines()) == 1
    for secret in (KEY, PLAIN_KEY, "pass-word", "1234567890"):
        assert secret not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


def test_a_secret_in_a_file_of_settings_is_found_too(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBEDDER_ROOT", str(tmp_path / "root"))
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        f"# @package _global_\ndefaults: [{{override /llm: server}}]\nllm: {{api_key_env: {KEY}}}\n"
    )
    done = run_here("evaluate.py", "--config-dir", str(tmp_path), "experiment=mine")
    assert (done.returncode, done.stderr.partition(":")[0]) == (2, "llm.api_key_env")
    assert KEY not in done.stdout + done.stderr
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("entry", ["prepare", "train", "evaluate"])
def test_what_ships_holds_none(entry):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose(entry, ["llm=server", "llm.api_key_env=LLM_API_KEY"], return_hydra_config=True)
    assert setting_with_secret(OmegaConf.to_container(config, resolve=False)) is None


def test_the_names_of_variables_and_of_other_things_are_none(monkeypatch):
    monkeypatch.setenv("openai", "x")
    for name in ("OPENAI_API_KEY", "openai", "${llm.api_key_env}", None):
        assert setting_with_secret({"llm": {"api_key_env": name}}) is None
    plain = {
        "name": "task-specific/sk-learn",
        "path": "/data/keys.jsonl",
        "url": "https://h/v1",
        "of": [1, None, "a@b"],
    }
    assert setting_with_secret(plain) is None


@pytest.mark.parametrize(
    "value", ["null", "LLM_API_KEY", "'LLM_API_KEY'", "A_KEY,B_KEY", "choice(A_KEY,B_KEY)", "${llm.api_key_env}"]
)
def test_the_name_of_a_variable_is_no_secret_however_it_is_written(value):
    overrides = {"hydra": {"overrides": {"task": [f"llm.api_key_env={value}", "seed=1,2", "x"]}}}
    assert setting_with_secret(overrides) is None


def test_secrets_of_the_environment_are_masked_by_the_names_of_their_variables(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", PLAIN_KEY)
    monkeypatch.setenv("SSH_KEY", "/home/me/.ssh/a_private_key_of_mine")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "a-value-that-is-long-enough")
    hide_environment()
    assert shown(f"{PLAIN_KEY} /home/me/.ssh/a_private_key_of_mine a-value-that-is-long-enough") == (
        "*** /home/me/.ssh/a_private_key_of_mine a-value-that-is-long-enough"
    )


def files_with(secret, folder):
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_the_key_is_in_no_file_and_on_no_terminal_after_a_run_that_used_it(tmp_path, monkeypatch, llama_directory):
    key = "no-known-form-of-a-key-4711"
    monkeypatch.setenv("MY_LLM", key)
    common = [
        "llm=server",
        "llm.name=tiny",
        f"llm.tokenizer={llama_directory}",
        "llm.api_key_env=MY_LLM",
        "source.settings.passages=200",
        "source.settings.questions=20",
        "prepare.max_train_queries=3",
        "llm_outputs.n_outputs=1",
        "llm_outputs.max_new_tokens=2",
        "candidates.n=3",
        "llm.attempts=1",
        "hydra.verbose=true",  # the libraries log their headers then
        f"paths.root={tmp_path}",
    ]
    with local_server(llama_directory) as server:
        server.key = key
        done = run_here("prepare.py", *common, f"llm.url={server.url}", f"hydra.run.dir={tmp_path / 'good'}")
        assert done.returncode == 0, done.stdout[-3000:]
        assert server.headers[-1]["Authorization"] == f"Bearer {key}"
        server.key = "another"  # it repeats the one that it refuses
        url = [f"llm.url={server.url}", f"prepare.rewards.store={tmp_path / 'new'}", "llm_outputs.seed=1"]
        refused = run_here(
            "prepare.py", *common, *url, f"hydra.run.dir={tmp_path / 'refused'}", f"paths.data_dir={tmp_path / 'd'}"
        )
    assert refused.returncode == 2
    assert "status 401" in refused.stdout
    assert "***" in refused.stdout
    assert key not in done.stdout + done.stderr + refused.stdout + refused.stderr
    assert files_with(key, tmp_path) == []
