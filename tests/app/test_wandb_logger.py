"""Weights & Biases takes part where it was asked for or the user is logged in, and else says nothing."""

import pytest
from lightning.pytorch.loggers import WandbLogger

from embedder.errors import ConfigError
from embedder.loggers.wandb_logger import wandb_logger
from tests.entry_points import composed


@pytest.fixture
def logged_out(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_nobody_who_is_logged_out_gets_one_unless_it_is_asked_for(logged_out, monkeypatch):
    settings = {"save_dir": str(logged_out), "project": "embedder", "offline": True}
    assert wandb_logger(**settings) is None
    assert isinstance(wandb_logger(when="always", **settings), WandbLogger)
    (logged_out / ".netrc").write_text("machine elsewhere.example\n  login me\n  password secret\n")
    (logged_out / ".netrc").chmod(0o600)
    assert wandb_logger(**settings) is None
    (logged_out / ".netrc").write_text("machine api.wandb.ai\n  login user\n  password secret\n")
    assert isinstance(wandb_logger(**settings), WandbLogger)
    assert wandb_logger(when="never", **settings) is None
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_logger(**settings) is None
    (logged_out / ".netrc").unlink()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert isinstance(wandb_logger(**settings), WandbLogger)
    with pytest.raises(ConfigError, match=r"logger.wandb.when: expected logged_in, always or never, got 'often'"):
        wandb_logger(when="often")


def test_every_choice_logs_to_csv():
    for choice, when in (("csv", None), ("default", "logged_in"), ("wandb", "always")):
        loggers = composed("train", f"logger={choice}").run.loggers
        assert loggers.csv.name == "csv"
        assert (loggers.wandb.when if "wandb" in loggers else None) == when
