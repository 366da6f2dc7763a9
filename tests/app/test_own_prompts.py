"""A task that names no instruction: the encoder reads its texts by the prompts of its own folder, trained or not."""

import json

import pytest

from embedder.app.query_only import as_trained, sides_of_base
from embedder.app.resume import step_settings
from embedder.encoders.checkpoint import load_trained
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.preparation.dense import read_by
from embedder.training.objective import Contrastive, Objective
from embedder.training.sampling import Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import TaskSides
from tests.entry_points import run_here


def task(query, key):
    return Task("tool", query, key, 16, 24, Objective({"contrastive": Contrastive()}), Sampling())


@pytest.fixture
def base(bert_directory, tmp_path):
    """A folder whose prompts are `ask: ` and `read: `."""
    encoder = TextEncoder(EncoderConfig(str(bert_directory), "mean"))
    return export(encoder, {"other": TaskSides("ask: ", "read: ", 20, 40)}, tmp_path / "base", {})


@pytest.mark.parametrize(
    ("named", "trained", "untrained"),
    [
        ((None, None), ("ask: ", "read: "), ("ask: ", "read: ")),
        (("request: ", None), ("request: ", "read: "), ("ask: ", "read: ")),
        (("", ""), ("", ""), ("ask: ", "read: ")),
    ],
)
def test_what_a_task_leaves_open_the_folder_says(base, named, trained, untrained):
    encoder = EncoderConfig(str(base))
    assert read_by(encoder, task(*named)) == TaskSides(*trained, 16, 24)
    assert read_by(encoder, task(*named), instructions=False) == TaskSides(*untrained, 16, 24)
    opened = TextEncoder(encoder)
    assert as_trained({"tool": task(*named)}, opened)["tool"].sides == TaskSides(*trained, 16, 24)
    assert sides_of_base({"tool": task(*named)}, opened)["tool"] == TaskSides(*untrained, 16, 24)


def test_a_folder_without_prompts_has_none(bert_directory):
    assert read_by(EncoderConfig(str(bert_directory)), task(None, None)) == TaskSides("", "", 16, 24)


def test_a_run_does_not_resume_without_them(base):
    own, none = (
        step_settings({"tool": task(x, x)}, EncoderConfig(str(base)), AdamWLinear(lr=1e-3), 0) for x in (None, "")
    )
    assert own != none


def test_the_export_of_such_a_training_has_the_prompts_of_its_base(base, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    rows = {
        "corpus": [{"id": str(n), "text": f"tool number {n}"} for n in range(8)],
        "train": [{"query_id": f"q{n}", "query": f"I need number {n}", "pos": [str(n)]} for n in range(8)],
    }
    for name, lines in rows.items():
        (tools / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    done = run_here(
        "train.py",
        *("task_mix=tool", "source=corpus", f"source.path={tools}", f"paths.root={tmp_path}", "reward=none"),
        *(f"encoder.name={base}", "tasks.tool.query_instruction=null", "tasks.tool.key_instruction=null"),
        *("trainer.max_steps=1", "trainer.accelerator=cpu", "data.batch_size=4", "candidates.n=4"),
        *("tasks.tool.sampling.group_size=2", "logger=csv", f"hydra.run.dir={tmp_path / 'run'}"),
    )
    assert done.returncode == 0, done.stderr
    sides = load_trained(tmp_path / "run" / "export").sides_of("tool")
    assert (sides.query_instruction, sides.key_instruction) == ("ask: ", "read: ")
