"""Every choice of every group composes and points at things that exist, and `--help` lists what there is."""

import functools
import importlib
import re
from dataclasses import asdict

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from embedder.entry.settings import check_settings
from embedder.rewards.sampled_outputs import OutputSettings
from tests.entry_points import ROOT, composed, run_here

CONF = ROOT / "conf"
ENTRIES = ("prepare", "train", "evaluate")
ELSEWHERE = {  # groups that no script chooses from by itself: how a choice is made, and where
    "ablation": ("train", "experiment=ablation", "ablation={}"),
    "hydra/sweeper": ("train", "hydra/sweeper={}"),
    "objective": ("train", "objective@tasks.qa.objective={}"),
    "public": ("prepare", "source=public", "+public@public.mine={}"),
    "public/corpus": ("prepare", "source=public", "+public@public.nq=nq", "public/corpus@public.nq.corpus={}"),
    "published": ("evaluate", "experiment=paper_table", "published@paper.published={}"),
    "task": ("train", "~task_mix", "+task@tasks.mine={}"),
}

NOT_READ = {"evaluate": ("reward", "candidates", "early_stop@prepare.rewards.early_stop")}  # of what all three share


def named(group: str) -> list[str]:
    return [path.stem for path in sorted((CONF / group).glob("[!_]*.yaml"))]


def defaults_of(config: str) -> list[str]:
    """The groups in a defaults list, each with where it is put."""
    defaults = yaml.safe_load((CONF / f"{config}.yaml").read_text())["defaults"]
    return [group for default in defaults if isinstance(default, dict) for group in default]


@functools.cache
def help_of(entry: str) -> str:
    return run_here(f"{entry}.py", "--help").stdout


def listed_groups(entry: str) -> dict[str, list[str]]:
    """Group -> choices, as `--help` lists them: `  group   a | b |` and on the next line `c: what they are`."""
    _, _, lines = help_of(entry).partition("Groups")
    lines = re.sub(r"\|\n +", "| ", lines)
    found = re.findall(r"^  ([\w@./]+) +(\w+(?: \| \w+)*)", lines, flags=re.MULTILINE)
    return {group: choices.split(" | ") for group, choices in found}


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


@pytest.fixture(scope="module", params=ENTRIES)
def entry(request):
    return request.param


def test_help_lists_the_groups_of_the_script_and_their_default_first(entry):
    listed = listed_groups(entry)
    assert sorted(listed) == sorted({*defaults_of("base"), *defaults_of(entry)} - set(NOT_READ.get(entry, ())))
    for group, choices in listed.items():
        assert set(choices) <= set(named(group.partition("@")[0])), group
    config = (CONF / f"{entry}.yaml").read_text() + (CONF / "base.yaml").read_text()
    for group, default in re.findall(r"^  - ([\w/]+): (\w+)$", config, flags=re.MULTILINE):
        assert group not in listed or default in (listed[group][0], "null"), group


def test_help_lists_every_choice():
    listed = [listed_groups(entry) for entry in ENTRIES]
    for group in {name for one in listed for name in one}:
        choices = {choice for one in listed for choice in one.get(group, [])}
        assert choices == set(named(group.partition("@")[0])), group


def test_help_begins_with_what_the_script_does_and_three_commands_that_work(entry):
    first, _, *commands, _, _ = help_of(entry).partition("\n  task_mix")[0].partition("\n  action")[0].splitlines()
    assert first.endswith(".")
    assert len(commands) == 3
    checked = re.findall(r"^(?:run|compose) +(.*)", (ROOT / "tests/docs/commands.txt").read_text(), flags=re.MULTILINE)
    for command in commands:
        assert command.partition(" # ")[0].strip() in checked


ACTIONS = {
    "prepare": ("duplicates", "estimate", "merge", "prepare", "report"),
    "evaluate": ("compare", "dashboard", "encode", "evaluate", "html", "index", "mteb", "paper"),
    "train": ("train", "trial", "tune"),
}


EXPERIMENTS = {"ablation": "train", "tune": "train", "paper_table": "evaluate", "search_agent": "evaluate"}
"""Those that choose an action of one script."""


def choices() -> list[tuple[str, ...]]:
    """Every choice of every group that is a folder of `conf/`: the script, and what is set."""
    found: list[tuple[str, ...]] = []
    chosen = {entry: [*defaults_of(entry), *defaults_of("base")] for entry in ENTRIES}
    for folder in sorted({path.parent for path in CONF.rglob("*.yaml")} - {CONF}):
        group = folder.relative_to(CONF).as_posix()
        for name in named(group):
            made = [
                (entry, f"{key}={name}") for entry in ENTRIES for key in chosen[entry] if group == key.split("@")[0]
            ]
            if group == "action":
                made = [(entry, made_by) for entry, made_by in made if name in ACTIONS[entry]]
            if group == "experiment" and name in EXPERIMENTS:
                made = [(EXPERIMENTS[name], f"experiment={name}")]
            if group in ELSEWHERE:
                made = [tuple(part.format(name) for part in ELSEWHERE[group])]
            assert made, f"{folder} is a group that no script chooses from: say in ELSEWHERE how it is chosen"
            found += made
    return found


@pytest.mark.parametrize("choice", choices(), ids=" ".join)
def test_every_choice_composes_and_every_target_exists(choice):
    entry, *overrides = choice
    if choice[-1] in ("source=corpus", "source=folder", "source=jsonl", "source=released"):
        overrides.append("source.path=/nowhere")
    if overrides[0].startswith("hydra/"):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose(entry, overrides, return_hydra_config=True).hydra.sweeper
    else:
        whole = composed(entry, *overrides)
        check_settings(whole)
        config = whole.run
    found = targets(OmegaConf.to_container(config, resolve=True))
    assert found
    for target in found:
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
    config = composed("prepare", "+encoder@prepare.dense.encoder=bge_base")
    assert config.run.preparation.dense.encoder.name == "BAAI/bge-base-en-v1.5" != config.encoder.name


@pytest.mark.parametrize("task", ["qa", "convsearch", "chat", "lrlm", "icl", "tool"])
def test_every_task_takes_another_reward_and_consumer(task):
    groups = f"reward@tasks.{task}.labelling.reward=likelihood", f"consumer@tasks.{task}.consumer=tool_choice"
    config = composed("evaluate", "task_mix=all", *groups).tasks[task]
    assert config.consumer._target_.endswith(".ToolChoice")
    assert config.labelling.reward._target_.endswith(".LikelihoodReward")


def test_the_published_instructions_are_the_tasks_instructions_but_questions_are_read_as_the_base_encoder_does():
    tasks = dict(composed("train", "task_mix=all").tasks)
    qa = tasks.pop("qa")
    assert (qa.query_instruction, qa.key_instruction) == (None, None)
    assert tasks["tool"].key_instruction == "Transform this tool description for retrieval: "
    assert all(task.query_instruction.endswith(": ") and task.key_instruction.endswith(": ") for task in tasks.values())
