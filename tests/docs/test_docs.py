"""The commands of README and docs work: each is run, or composed, as `commands.txt` says."""

import argparse
import importlib.util
import json
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import instantiate

from embedder.commands import console
from embedder.commands import search as search_command
from embedder.commands import tune as tune_command
from tests.docs.in_docs import PAGES, ROOT, block, blocks, commands, files_of, rows_of
from tests.entry_points import run_here

# What stands for something of the reader's own. Beside these the files are there under the names that the docs use.
STANDS_FOR = {
    "run_dir=DIR": "run_dir=A",  # an evaluation, where DIR is a data set elsewhere
    "outputs/train/DATE": "outputs/train/...",
    "checkpoint=A,B": "checkpoint=outputs/train/.../export,outputs/train/.../checkpoints/last.ckpt",
    "/other/machine/store": "data/store",
    "task_mix=TASK": "task_mix=qa",
    "public.nq.corpus.table.files=wiki-18.jsonl.gz": "public.nq.corpus.table.files=FILE",
}
EXPORTS = re.compile(r"outputs/\w+/(train|DATE)/export")
ELSEWHERE = ["push_to_hub", "use_index"]
"""Python that needs a hub or a deployed index; the tests of these functions have them."""
PYTHON = [
    one
    for one in blocks()
    if one.language == "python" and one.imports and not one.file and not any(name in one.text for name in ELSEWHERE)
]
THE_REST = ["source=corpus", "source.path=DIR"]
"""What ` ... ` stands for, where it stands for the rest of a command."""

KINDS = [line.split(None, 1) for line in (ROOT / "tests/docs/commands.txt").read_text().splitlines() if line[0] != "#"]


def of_kind(kind):
    return [command for its, command in KINDS if its == kind]


def words(command):
    """As the shell passes them on, with what the reader would put in."""
    for name, own in STANDS_FOR.items():
        command = command.replace(name, own)
    split = subprocess.run(["bash", "-fc", f"printf '%s\\0' {command}"], capture_output=True, check=True)
    parts = split.stdout.decode().split("\0")[:-1]
    parts = parts[2:] if parts[0] in ("torchrun", "srun") else parts
    parts = parts[1:] if parts[0] == "python" else parts
    if parts[:2] == ["embedder", "tune"]:
        parts = ["train.py", *tune_command.overrides_of(tune_command.parsed(parts[2:]))]
    return [own for part in parts for own in (THE_REST if part == "..." else [part])]


def test_every_command_is_checked_in_one_way():
    listed = [command for _, command in KINDS]
    assert len(listed) == len(set(listed))
    assert {kind for kind, _ in KINDS} == {"run", "compose", "parse", "known"}
    missing = [f"{page}: {command}" for command, page in commands().items() if command not in listed]
    assert not missing, "add these to tests/docs/commands.txt"
    assert not set(listed) - commands().keys(), "these are in no document any more"


def test_every_file_of_ours_that_a_page_names_exists():
    for page in PAGES:
        for name in re.findall(r"`((?:\w+/)+\w+\.py)`", page.read_text(encoding="utf-8")):
            ours = (ROOT / name).is_file() or (ROOT / "src" / "embedder" / name).is_file()
            assert ours or page.name in ("benchmarks.md", "log.md"), f"{page.name}: {name}"  # files of others; the past


@pytest.fixture(scope="module")
def tiny(bert_directory, llama_directory):
    """Settings, by entry point, that make a run take seconds; a command has the last word."""
    both = [f"encoder.name={bert_directory}", f"llm.name={llama_directory}", "llm.device=cpu"]
    labelling = ["llm_outputs.n_outputs=2", "llm_outputs.max_new_tokens=4", "candidates.n=3"]
    steps = ["trainer.max_steps=2", "trainer.val_check_interval=2", "trainer.accelerator=cpu", "data.batch_size=4"]
    return {
        "prepare": [*both, *labelling],
        "train": [*both, *labelling, *steps, "logger=csv", "callbacks.plain.progress=null"],
        "evaluate": [*both, "rag.max_answered=2", "llm_outputs.n_outputs=2", "llm_outputs.max_new_tokens=4"],
    }


@pytest.fixture(scope="module")
def desk(tmp_path_factory, tiny):
    """A folder with all that the commands name: DIR, FILE, `outputs/train/...` and so on."""
    root = tmp_path_factory.mktemp("desk")
    things = [("lighthouse", "Oru"), ("bridge", "Vell"), ("mill", "Tam"), ("library", "Harrow"), ("station", "Kess")]
    queries = [
        {"query_id": f"q{i}{n}", "query": f"{ask} the {what} at {place}?", "answers": [place], "pos": [f"k{i}"]}
        for i, (what, place) in enumerate(things)
        for n, ask in enumerate(("Where is", "Who drew", "What is"))
    ]
    files = {
        "DIR/corpus": [
            {"id": f"k{i}", "text": f"The {what} at {place} is old."} for i, (what, place) in enumerate(things)
        ],
        "DIR/train": queries,
        "DIR/test": [one | {"query": f"Say, {one['query']}", "type": one["query"].split()[0]} for one in queries[::3]],
        "FILE": [
            {"query": f"who made thing {i}?", "pos": [f"thing {i} was made"], "neg": [f"thing {i} is lost"]}
            | {"teacher_scores": [1.0, 0.0]}
            for i in range(12)
        ]
        + [json.loads(block("docs/data.md", '  "query_id"'))],
        "questions": [
            {"question": query["query"], "answers": query["answers"], "file": "guide.md"} for query in queries
        ],
    }
    for name, lines in files.items():
        path = root / (name if name == "FILE" else f"{name}.jsonl")
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (root / "docs").mkdir()
    (root / "docs" / "mills.md").write_text("# Mills\n\nThe mill at Tam is old.\n")
    (root / "q.jsonl").write_text(json.dumps({"question": "What is old?", "answers": ["the mill"]}) + "\n")
    (root / "DOCS").mkdir()
    sections = [f"## The {what}\n\nThe {what} at {place} is old.\n" for what, place in things]
    (root / "DOCS" / "guide.md").write_text("# Guide\n\n" + "\n".join(sections))
    for name, rows in rows_of("docs/how-to.md").items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("".join(json.dumps(row) + "\n" for row in grown(name, rows)))
    for name, text in files_of("docs/extending.md").items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.syspath_prepend(root)
        patch.setenv("EMBEDDER_ROOT", str(root))
        ran("train", tiny, *THE_REST, "hydra.run.dir=outputs/train/...")
        ran("evaluate", tiny, *THE_REST, "checkpoint=outputs/train/.../export", "hydra.run.dir=outputs/evaluate/...")
        for name in "AB":
            shutil.copytree(root / "outputs" / "evaluate" / "...", root / name)
        for name in ("tools", "memory", "Q", "V", "all"):
            shutil.copytree(root / "outputs/train/...", root / "outputs" / name)
        yield root


def grown(name, rows):
    """What a training takes: documents go on after `...`, and queries are repeated under other numbers."""
    long = " ".join(f"word{n}" for n in range(250))
    rows = [row | {"text": row["text"].replace("...", long)} if "text" in row else row for row in rows]
    if not name.endswith("/train.jsonl"):
        return rows
    numbered = ("query_id", "query", "doc_id")
    return [
        {key: f"{value} {n}" if key in numbered else value for key, value in row.items()}
        for row in rows
        for n in range(4)
    ]


def ran(entry, tiny, *rest):
    sweep = [word for word in rest if word == "-m"]
    done = run_here(f"{entry}.py", *sweep, *tiny[entry], *(word for word in rest if word not in sweep))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done


@pytest.mark.parametrize("command", of_kind("run"))
def test_it_runs_as_written(desk, tiny, command, monkeypatch):
    entry, *rest = words(command)
    if entry == "embedder":
        monkeypatch.setattr(sys, "argv", [entry, *rest])
        console.main()
        return
    short = ["tasks.lrlm.form.chunk_words=8", "tasks.lrlm.form.every=1"] if "task_mix=lrlm" in rest else []
    changed = tiny | ({"train": [one for one in tiny["train"] if "rewards" not in one]} if "FILE" in command else {})
    ran(entry.removesuffix(".py"), changed, *short, *rest)


@pytest.mark.parametrize("python", PYTHON, ids=lambda one: f"{one.page}:{one.text[:30]!r}")
def test_python_runs_as_written(desk, python):
    (desk / "shown.py").write_text(EXPORTS.sub("outputs/train/.../export", python.text))
    runpy.run_path("shown.py")


@pytest.mark.parametrize("command", of_kind("compose"))
def test_it_composes(desk, monkeypatch, command):
    monkeypatch.setattr(tune_command, "_only_model", lambda url, api_key_env: "the only one")
    entry, *rest = words(command)
    rest = [word for word in rest if word != "-m"]
    parsed = OverridesParser.create().parse_overrides(rest)
    is_study = "hydra/sweeper=study" in rest or "experiment=ablation" in rest  # these have values of their own
    jobs = [rest] if is_study else BasicSweeper.split_arguments(parsed, None)[0]
    assert len(jobs) > 1 or is_study or "-m" not in command.split()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for job in jobs[:1] + jobs[1:][-1:]:  # the first and the last
            config = compose(entry.removesuffix(".py"), overrides=job, return_hydra_config=True)
            config.hydra.runtime.output_dir = str(desk / "out")
            config.paths.root, config.paths.output_dir = str(desk), str(desk / "out")
            instantiate(config.run, _convert_="all")


def test_a_sweep_of_weights_and_biases_composes():
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args  # what its agent calls

    sweep = yaml.safe_load(block("docs/recipes.md", "program: train.py"))
    first = {
        k: {"value": one["values"][0] if "values" in one else one["min"]} for k, one in sweep["parameters"].items()
    }
    written = create_sweep_command_args({"args": first})["args_no_hyphens"]
    command = [
        own
        for one in create_sweep_command(sweep["command"])
        for own in (written if one == "${args_no_hyphens}" else [one])
    ]
    assert command[:3] == ["${env}", "${interpreter}", "${program}"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose(sweep["program"].removesuffix(".py"), overrides=command[3:])
    assert sweep["metric"] == {"name": f"best/{config.callbacks.plain.best.monitor}", "goal": "maximize"}
    assert (config.encoder.lr, config.data.batch_size, config.logger.wandb.offline) == (1e-5, 16, False)


@pytest.mark.parametrize("command", of_kind("parse"))
def test_the_benchmark_takes_its_arguments(monkeypatch, command):
    path, *rest = words(command)

    class TakenError(Exception):
        pass

    def parse(parser, *args, **kwargs):
        parser.parse_args_of_old(rest)
        raise TakenError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args_of_old", argparse.ArgumentParser.parse_args, raising=False)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    spec = importlib.util.spec_from_file_location(f"benchmark_{Path(path).stem}", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(TakenError):
        module.main()


@pytest.mark.parametrize("command", of_kind("known"))
def test_what_it_names_exists(command):
    if command.startswith("make "):
        target = command.split()[1]
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.M)
    elif command.startswith("pip "):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for extra in re.findall(r"\[(\w+)\]", command):
            assert extra in project["optional-dependencies"]
    elif command.startswith("embedder search "):
        assert search_command.parser().parse_args(words(command)[2:]).question
