"""The configuration composes and points at things that exist; rooms import only what they may."""

import importlib
import re
from dataclasses import asdict

import pytest
from docs.picture import ROOT, SOURCE, imports_of_files, room_of
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from embedder.app.settings import check_settings
from embedder.llm.sampled_outputs import OutputSettings

_ROW = re.compile(r"^\| `(\w+)/` \|.*\| (.*) ?\|$", re.M)
MAY_IMPORT = {  # the table of rooms
    room: set(re.findall(r"`(\w+)`", allowed))
    for room, allowed in _ROW.findall((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
}
MAY_IMPORT["app"] = set(MAY_IMPORT) - {"world", "public"}  # conf/ names these two


def composed(name: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose(name, overrides=["paths.root=/nowhere", "paths.output_dir=/nowhere", *overrides])


def targets(node: object) -> set[str]:
    found: set[str] = set()
    if isinstance(node, dict):
        found |= {node["_target_"]} if "_target_" in node else set()
        for value in node.values():
            found |= targets(value)
    elif isinstance(node, list):
        for value in node:
            found |= targets(value)
    return found


def test_the_table_of_rooms_names_each():
    assert set(MAY_IMPORT) == {path.parent.name for path in SOURCE.glob("*/__init__.py")}


def test_the_bundled_world_and_public_data_are_leaves():
    assert not [room for room, allowed in MAY_IMPORT.items() if allowed & {"world", "public"}]
    named = {path for path in SOURCE.rglob("*.py") if re.search(r"embedder\.(world|public)\b", path.read_text())}
    assert {path.relative_to(SOURCE).parts[0] for path in named} <= {"world", "public"}


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_rooms_import_only_what_they_may(room):
    for module, imported in imports_of_files(SOURCE.parent).items():
        if room_of(module) == room:
            assert {room_of(name) for name in imported} & set(MAY_IMPORT) - {room} <= MAY_IMPORT[room], module


def test_files_beside_the_rooms_import_none():
    for module, imported in imports_of_files(SOURCE.parent).items():
        if module.startswith("embedder.") and room_of(module) not in MAY_IMPORT:
            assert not {room_of(name) for name in imported} & set(MAY_IMPORT), module


ENTRIES = ("prepare", "train", "evaluate")
ENTRIES_OF = {  # group -> the entry points that have it
    **dict.fromkeys(("task_mix", "encoder", "index", "reward", "llm", "experiment"), ENTRIES),
    **dict.fromkeys(("logger", "callbacks"), ("train",)),
    **dict.fromkeys(("benchmark", "consumer"), ("evaluate",)),
}
ACTIONS = {
    "prepare": ("prepare", "estimate", "merge", "report"),
    "evaluate": ("evaluate", "compare", "dashboard", "html", "mteb"),
}


def named(group: str) -> list[str]:
    return [path.stem for path in sorted((ROOT / "conf" / group).glob("[!_]*.yaml"))]


CHOICES = [
    (entry, f"{group}={name}") for group, entries in ENTRIES_OF.items() for name in named(group) for entry in entries
]
CHOICES += [(entry, f"action={name}") for entry, names in ACTIONS.items() for name in names]


def test_every_action_is_one_of_an_entry_point():
    assert sorted(name for names in ACTIONS.values() for name in names) == named("action")


@pytest.mark.parametrize(("entry", "choice"), CHOICES)
def test_every_choice_composes_and_every_target_exists(entry, choice):
    check_settings(composed(entry, choice))
    config = OmegaConf.to_container(composed(entry, choice).run, resolve=True)
    assert targets(config)
    for target in targets(config):
        module, _, attribute = target.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), target


def test_labelling_and_evaluation_score_the_same_outputs():
    settings = "llm_outputs.n_outputs=3", "llm_outputs.max_new_tokens=7"
    labelling = composed("prepare", *settings).run.preparation.rewards.outputs
    evaluation = composed("evaluate", *settings).run.rag.competitors
    expected = {"n_outputs": 3, "temperature": 1.0, "max_new_tokens": 7, "max_answers": 3, "seed": 0}
    assert asdict(instantiate(labelling)) == asdict(instantiate(evaluation)) == expected
    assert instantiate(composed("prepare").run.preparation.rewards.outputs) == OutputSettings()


def test_the_documented_overrides_compose():
    config = composed("train", "task_mix=all", "trainer.devices=8")
    assert list(config.tasks) == ["qa", "convsearch", "chat", "lrlm", "icl", "tool"]
    assert config.run.trainer.devices == 8
    assert config.tasks.tool.weight == 2.0
    assert config.tasks.convsearch.weight == 1.0
    assert composed("train", "encoder.lr=5e-6").run.optim.lr == 5e-6


def test_the_published_instructions_are_the_tasks_instructions():
    tasks = composed("train", "task_mix=all").tasks
    assert tasks.qa.query_instruction == "Represent this query for retrieving relevant documents: "
    assert tasks.tool.key_instruction == "Transform this tool description for retrieval: "
    assert all(task.query_instruction.endswith(": ") and task.key_instruction.endswith(": ") for task in tasks.values())
