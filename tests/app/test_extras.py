"""The plain installation is small: what is optional is an extra, and the error where it is missing names it."""

import ast
import importlib.util
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from embedder.errors import DISTRIBUTION, ConfigError, MissingExtraError, extra
from embedder.loggers.tensorboard_logger import tensorboard_logger
from embedder.loggers.wandb_logger import wandb_logger
from tests.entry_points import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
NOT_HERE = ("accelerate", "pandas", "statsmodels", "tensorboard", "wandb")  # of the plain installation


def distribution(requirement):
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~ ]", requirement)[0]).lower()


def parsed_sources():
    for path in (ROOT / "src").rglob("*.py"):
        yield ast.parse(path.read_text(encoding="utf-8"))


def test_the_plain_installation_leaves_out_what_is_optional():
    assert PROJECT["name"] == DISTRIBUTION
    assert not {distribution(one) for one in PROJECT["dependencies"]} & set(NOT_HERE)


def test_each_imported_package_is_a_dependency_or_in_an_extra():
    declared = {
        distribution(one) for one in [*PROJECT["dependencies"], *(o for group in EXTRAS.values() for o in group)]
    }
    imported = set()
    for tree in parsed_sources():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            imported |= {name.partition(".")[0] for name in names}
    owners = packages_distributions()
    foreign = imported - set(sys.stdlib_module_names) - {"embedder", "hydra_plugins"}
    with_them = {
        "omegaconf",
        "antlr4",
        "sqlalchemy",
        "huggingface_hub",
        "markupsafe",
        "tokenizers",
    }  # of a declared one
    missing = {name for name in foreign if not {distribution(one) for one in owners.get(name, [name])} & declared}
    assert missing <= with_them


def test_each_extra_that_an_error_names_exists():
    named = set()
    for tree in parsed_sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "extra":
                named.add(ast.literal_eval(node.args[0]))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "MissingExtraError":
                assert not (isinstance(node.args[1], ast.Constant)), f"written by extra(NAME): {ast.unparse(node)}"
    assert {"lora", "wandb", "tensorboard"} <= named <= set(EXTRAS)
    assert extra("lora") == "pip install 'embedder-llm[lora]'"


def test_loggers_that_are_not_installed_take_no_part_unless_they_were_asked_for(monkeypatch, tmp_path):
    assert tensorboard_logger(save_dir=str(tmp_path)) is not None  # of the tests' own environment
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert tensorboard_logger() is None
    assert wandb_logger() is None
    with pytest.raises(
        MissingExtraError, match=r"logger.tensorboard.when=always needs .*'embedder-llm\[tensorboard\]'"
    ):
        tensorboard_logger(when="always")
    with pytest.raises(
        MissingExtraError, match=r"logger.wandb.when=always needs .*pip install 'embedder-llm\[wandb\]'"
    ):
        wandb_logger(when="always")
    with pytest.raises(ConfigError, match=r"logger.tensorboard.when: expected installed, always or never, got 'often'"):
        tensorboard_logger(when="often")
