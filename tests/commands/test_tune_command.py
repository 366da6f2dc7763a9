"""`embedder tune` is `train.py experiment=tune` in other words, and says early what is wrong."""

import sys

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from embedder.commands import console
from embedder.commands import tune as tune_command
from embedder.llm.server.requests import only_model
from tests.llm.local_server import local_server


@pytest.fixture
def started(monkeypatch):
    """What the command hands to Hydra, by key; it ends before that with a message, or not."""

    def start(*arguments):
        handed = []
        monkeypatch.setattr(tune_command, "enter", lambda name, overrides: handed.append((name, overrides)))
        monkeypatch.setattr(sys, "argv", ["/bin/embedder", "tune", *arguments])
        console.main()
        ((name, overrides),) = handed
        assert name == "train"
        n_flags = 4 if overrides[0] == "--config-path" else 0
        parsed = OverridesParser.create().parse_overrides(overrides[n_flags:])
        assert overrides[:n_flags] == ["--config-path", f"{arguments[1]}/.hydra", "--config-name", "config"][:n_flags]
        return {one.key_or_group: one.value() for one in parsed}

    return start


def said(capsys, started, *arguments):
    with pytest.raises(SystemExit) as end:
        started(*arguments)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_a_local_model_and_questions_become_settings(started, tmp_path):
    docs, llm, questions = tmp_path / 'my "docs", new', tmp_path / "model", tmp_path / "q.jsonl"
    docs.mkdir(), llm.mkdir(), questions.write_text("")
    handed = started(
        str(docs), "--llm", str(llm), "--questions", str(questions), "--dry-run", "questions.n=50", "seed=1"
    )
    assert handed == {
        "experiment": "tune",
        "source": "folder",
        "source.path": str(docs),
        "source.questions": str(questions),
        "llm": "smollm2",
        "llm.name": str(llm),
        "dry_run": True,
        "questions.n": 50,
        "seed": 1,
    }
    awkward = "back\\slash\\"
    (tmp_path / awkward).mkdir()
    assert started(str(tmp_path / awkward), "--llm", "smollm2")["source.path"] == str(tmp_path / awkward)


def test_a_chat_api_has_rewards_from_texts_unless_others_are_named(tmp_path):
    def overrides(*more):
        arguments = [str(tmp_path), "--llm", "http://127.0.0.1:9/v1", "--model", "m", "--chat", *more]
        return tune_command.overrides_of(tune_command.parsed(arguments))

    assert {"llm=chat", "reward=f1", "reward@questions.reward=f1"} < set(overrides())
    assert not any("tokenizer" in one for one in overrides())
    assert [one for one in overrides("reward=listwise") if one.startswith("reward=")] == ["reward=listwise"]


def test_a_server_is_asked_for_its_model_where_none_is_named(capsys, started, tmp_path, llama_directory):
    assert only_model().read({"data": [{"id": "mine"}]}) == "mine"
    with local_server(llama_directory) as server:
        assert "lists: tiny, tiny-lora; --model NAME" in said(capsys, started, str(tmp_path), "--llm", server.url)
        handed = started(str(tmp_path), "--llm", server.url, "--model", "tiny")
    assert (handed["llm"], handed["llm.url"], handed["llm.name"]) == ("server", server.url, "tiny")
    assert handed["llm.tokenizer"] is None
    assert started(str(tmp_path), "--llm", server.url, "llm.name=other")["llm.name"] == "other"  # nothing is asked


def test_a_run_is_resumed_by_its_own_configuration(started, tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("seed: 0\n")
    handed = started("--resume", str(tmp_path), "questions.n=50", "--dry-run")
    assert handed == {
        "hydra.run.dir": str(tmp_path),
        "dry_run": True,
        "questions.n": 50,
    }


def test_what_is_wrong_is_one_line_before_anything_is_loaded(capsys, started, tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    there = str(tmp_path)
    assert "expected DOCS and --llm LLM" in said(capsys, started)
    assert "expected DOCS and --llm LLM" in said(capsys, started, there)
    assert "takes DOCS and --llm from the run" in said(capsys, started, "--resume", there, "--llm", "x")
    for flag in ("--questions", "--model", "--api-key-env"):
        assert "and --questions, --model and --api-key-env too" in said(capsys, started, "--resume", there, flag, "x")
        if flag != "--questions":
            assert "belong to a server" in said(capsys, started, there, "--llm", "smollm2", flag, "x")
    assert "--resume: expected the folder of a run" in said(capsys, started, "--resume", there)
    assert "DOCS: expected a folder of documents" in said(capsys, started, f"{there}/none", "--llm", "smollm2")
    assert "--questions: expected a file" in said(capsys, started, there, "--llm", "smollm2", "--questions", "none")
    assert "--llm: expected the URL" in said(capsys, started, there, "--llm", f"{there}/none")
    assert "is the server at llm.url up?" in said(capsys, started, there, "--llm", "http://127.0.0.1:9/v1")
    assert "llm.url: expected http://HOST" in said(capsys, started, there, "--llm", "http://:x/v1")
    key = said(capsys, started, there, "--llm", "http://127.0.0.1:9/v1", "--api-key-env", "NO_SUCH_KEY")
    assert "llm.api_key_env: expected the name of an environment variable that holds a key" in key
    assert key.count("\n") == 1
