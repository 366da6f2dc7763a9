"""Query-only training from the command line: several processes, resuming, one index for base and trained encoder."""

import csv
import json

import pytest
import torch

from embedder.app.query_only import sides_of_base
from embedder.encoders.checkpoint import load_trained
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.training.objective import Contrastive, Objective
from embedder.training.sampling import Sampling
from embedder.training.task import Task
from tests.entry_points import run, run_here

FORMS = pytest.mark.parametrize(
    "form", [["encoder.dropout=0.0"], ["encoder.dropout=0.0", "encoder.lora={r: 2}"]], ids=["full", "lora"]
)


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """Twelve tools, and a request for each, twice."""
    folder = tmp_path_factory.mktemp("tools")
    names = ["weather", "train", "bank", "music", "mail", "map", "price", "stock", "news", "recipe", "sport", "clock"]
    keys = [{"id": name, "title": name, "text": f"Gives the {name} of any place."} for name in names]
    requests = [
        {"query_id": f"{name}{n}", "query": f"{start} {name}?", "pos": [name]}
        for name in names
        for n, start in enumerate(("I need the", "What about the"))
    ]
    for file, rows in {"corpus": keys, "train": requests, "test": requests[:8]}.items():
        (folder / f"{file}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


def command(tools, root, bert_directory):
    return [
        *("task_mix=tool", "source=corpus", f"source.path={tools}", f"paths.root={root}", "reward=none"),
        *(f"encoder.name={bert_directory}", "encoder.lr=1e-3"),
    ]


TRAINING = [
    *("encoder.trainable=query", "data.batch_size=4", "tasks.tool.sampling.group_size=3", "candidates.n=4"),
    *("trainer.max_steps=6", "trainer.val_check_interval=2", "trainer.log_every_n_steps=1", "trainer.accelerator=cpu"),
    *("logger=csv", "callbacks.plain.progress=null", "callbacks.plain.last.every_n_steps=1"),
    *("callbacks.reindex.every_n_steps=2", "callbacks.reindex.candidates.n=4"),
]


@pytest.mark.parametrize("own", [{}, {"key_instruction": "key: "}, {"shared": False}, {"lora": {"r": 2}}])
def test_where_tuning_does_not_help_the_base_encoder_is_exported_with_the_keys_of_its_index(
    bert_directory, tmp_path, own
):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), trainable="query", **own))
    task = Task("tool", "ask: ", "tool: ", 16, 24, Objective({"contrastive": Contrastive()}), Sampling())
    sides = sides_of_base({"tool": task}, encoder)
    assert (sides["tool"].query_instruction, sides["tool"].key_instruction) == ("", own.get("key_instruction", ""))
    export(encoder, sides, tmp_path / "export", {})  # which refuses other keys than those of the base encoder
    kept = load_trained(tmp_path / "export")
    raw = TextEncoder(EncoderConfig(name=str(bert_directory))).encode(["Oru"], sides["tool"].query)
    assert abs(kept.encoder.encode(["Oru"], kept.tasks["tool"].query) - raw).max() < 1e-6


def losses(folder):
    with (folder / "csv" / "metrics.csv").open() as file:
        return [float(row["train/tool/loss"]) for row in csv.DictReader(file) if row["train/tool/loss"]]


def weights(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]


@FORMS
def test_it_trains_on_two_processes_as_on_one_and_one_index_serves_base_and_trained(
    tools, tmp_path, bert_directory, form
):
    common = command(tools, tmp_path, bert_directory)
    one = run_here("train.py", *common, *TRAINING, *form, f"hydra.run.dir={tmp_path}/one")
    assert one.returncode == 0, one.stdout[-2000:] + one.stderr[-2000:]
    assert "keys of tool are read as the base encoder has them, with the instruction '' and up to 256" in one.stdout
    assert one.stdout.count("12 of 12 vectors of keys were cached") >= 3  # after the first validation
    assert not (tmp_path / "one" / "vectors").exists()
    two = ["trainer.devices=2", "trainer.strategy=ddp", "encoder.cached_gradients=true"]
    done = run("train.py", *common, *TRAINING, *form, *two, f"hydra.run.dir={tmp_path}/two")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)
    assert len(losses(tmp_path / "one")) == 6

    scored = run_here(
        "evaluate.py",
        *common,
        f"checkpoint={tmp_path}/one/checkpoints/last.ckpt",
        "rows=[base,trained]",
        "run.rag_enabled=false",
        f"hydra.run.dir={tmp_path}/evaluate",
    )
    assert scored.returncode == 0, scored.stdout[-2000:] + scored.stderr[-2000:]
    assert scored.stdout.count("12 of 12 vectors of keys were cached") == 2  # of training, for both rows
    assert "base encoder" in scored.stdout
    assert list(load_trained(tmp_path / "one" / "export").tasks) == ["tool"]


@FORMS
def test_a_resumed_run_is_the_same_to_the_bit(tools, tmp_path, bert_directory, form):
    common = [*command(tools, tmp_path, bert_directory), *TRAINING, *form, "encoder.dropout=0.1"]
    whole = run_here("train.py", *common, f"hydra.run.dir={tmp_path}/whole")
    assert whole.returncode == 0, whole.stdout[-2000:] + whole.stderr[-2000:]
    best = next((tmp_path / "whole" / "checkpoints").glob("step-*.ckpt"))
    again = run_here("train.py", *common, f"hydra.run.dir={tmp_path}/again", f"run.checkpoint={best}")
    assert again.returncode == 0, again.stdout[-2000:] + again.stderr[-2000:]
    ours, theirs = weights(tmp_path / "whole"), weights(tmp_path / "again")
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    frozen = [name for name in ours if name.startswith("encoder.key_backbone")]
    assert bool(frozen) == ("encoder.lora={r: 2}" not in form)


@pytest.mark.slow
@FORMS
def test_two_processes_with_a_part_of_the_weights_each_train_as_one(tools, tmp_path, bert_directory, form):
    common = [*command(tools, tmp_path, bert_directory), *TRAINING, *form]
    one = run_here("train.py", *common, f"hydra.run.dir={tmp_path}/one")
    two = run("train.py", *common, "trainer=fsdp", f"hydra.run.dir={tmp_path}/two")
    assert (one.returncode, two.returncode) == (0, 0), two.stdout[-2000:] + two.stderr[-2000:]
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-5)
    assert list(load_trained(tmp_path / "two" / "export").tasks) == ["tool"]
