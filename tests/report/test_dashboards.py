"""Every key that a layout names is one that a run of Weights & Biases logged, read back from its own file."""

import json
import time

import pytest

from embedder.app.dashboard import DashboardRun
from embedder.errors import ConfigError
from embedder.report.wandb_dashboard import as_json, sweep_layout, training_layout
from tests.entry_points import run_here
from tests.report.test_wandb import records

PLACES = (("lighthouse", "Oru"), ("bridge", "Vell"), ("mill", "Tam"), ("library", "Harrow"), ("station", "Kess"))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, bert_directory, llama_directory):
    """Two trainings of two tasks, in which all happens that is shown."""
    root = tmp_path_factory.mktemp("dashboards")
    asked = [(i, n, ask, *PLACES[i]) for i in range(5) for n, ask in enumerate(("Where is", "Who drew", "What is"))]
    files = {
        "corpus": [{"id": f"k{i}", "text": f"The {what} at {place} is old."} for i, (what, place) in enumerate(PLACES)],
        "train": [
            {"query_id": f"q{i}{n}", "query": f"{ask} the {what} of {place}?", "answers": [place], "pos": [f"k{i}"]}
            for i, n, ask, what, place in asked
        ],
    }
    for task in ("qa", "tool"):
        (root / "data" / task).mkdir(parents=True)
        for name, lines in files.items():
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (root / "data" / task / f"{name}.jsonl").write_text(
                text.replace("Where", "Find") if task == "tool" else text
            )
    done = run_here(
        *("train.py", "-m", "seed=0,1", f"hydra.sweep.dir={root}/group", f"paths.root={root}"),
        *("+task@tasks.tool=tool", "source=corpus", f"source.path={root}/data"),
        *(f"encoder.name={bert_directory}", f"llm.name={llama_directory}", "llm.device=cpu"),
        *("llm_outputs.n_outputs=2", "llm_outputs.max_new_tokens=4", "candidates.n=3"),
        *("trainer.max_steps=4", "trainer.val_check_interval=2", "trainer.log_every_n_steps=1", "data.batch_size=4"),
        *(
            "trainer.accelerator=cpu",
            "callbacks.plain.progress=null",
            "logger=default",
            "logger.wandb.when=always",
            "run.artifacts=true",
        ),
        *(
            "callbacks=self_paced",
            "callbacks.reindex.every_n_steps=2",
            "callbacks.rag_eval.every_n_steps=4",
            "callbacks.rag_eval.max_answered=1",
        ),
        *("tasks.tool.sampling.group_size=2", "tasks.qa.sampling.group_size=2"),
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return root / "group"


@pytest.fixture(scope="module")
def runs(sweep):
    """What the runs' own files hold: config, keys of the history with a value each, summary."""
    found = []
    for job in ("0", "1"):
        (path,) = (sweep / job / "wandb").glob("offline-run-*/run-*.wandb")
        for _ in range(6000):  # another process writes it, on a busy machine some time after the run is finished
            if any(one.WhichOneof("record_type") == "exit" for one in records(path)):
                break
            time.sleep(0.1)
        found.append(list(records(path)))
    return found


def history(run):
    items = [item for one in run for item in one.history.item]
    return {item.key or item.nested_key[0]: item.value_json for item in items}


def config(run):
    changed = [one.config if one.WhichOneof("record_type") == "config" else one.run.config for one in run]
    return {item.key or item.nested_key[0]: json.loads(item.value_json) for one in changed for item in one.update}


def test_the_training_layout_shows_what_a_run_logged(sweep, runs):
    layout = training_layout(sweep / "0", "somebody", "embedder")
    sections = [section.name for section in layout.sections]
    assert sections == [
        *(
            "Validation",
            "Loss",
            "Answers of the LLM",
            "Negatives",
            "Index refreshes",
            "Optimisation",
            "Speed",
            "Rewards",
        )
    ]
    asked = {key for section in layout.sections for panel in section.panels for key in (panel.x, *panel.y)}
    assert asked >= {
        *("trainer/global_step", "train/qa/loss", "train/tool/loss", "train/qa/rate_factor", "val/ndcg@10"),
        *("train/qa/negatives_batch", "train/qa/negatives_devices", "train/gradient_norm", "rag/qa/em"),
        *("speed/tokens_per_s", "speed/padding", "speed/data_wait", "reindex/tool/changed"),
        *("rewards/qa/all", "rewards/qa/lead", "rewards/qa/positives"),
    }
    for run in runs:
        logged = history(run)
        assert asked - logged.keys() == set()
        kinds = {item.value_json for one in run for item in one.history.item if "rewards/qa/all" in item.nested_key}
        assert '"histogram"' in kinds
        assert float(logged["train/gradient_norm"]) > 0
        assert float(logged["train/qa/negatives_devices"]) == 0  # one process


def test_the_sweep_layout_shows_what_jobs_were_searched_for_and_came_to(sweep, runs, tmp_path):
    run = DashboardRun(None, None, str(sweep), str(tmp_path), None, "embedder", str(tmp_path))
    run.run()
    spec = json.loads((tmp_path / "dashboard.sweep.json").read_text())
    columns = [
        column["accessor"]
        for section in spec["section"]["panelBankConfig"]["sections"]
        for panel in section["panels"]
        for column in panel["config"].get("columns", [])
    ]
    assert columns == ["config:searched.value.seed", "summary:best/val/ndcg@10"]
    for n, one in enumerate(runs):
        assert config(one)["searched"] == {"seed": n}
        assert "best/val/ndcg@10" in history(one)
        (begun,) = [record.run for record in one if record.WhichOneof("record_type") == "run"]
        assert begun.run_group == "group"
    layout = sweep_layout("group", ["seed"], "-best/val/loss", "somebody", "embedder")
    assert layout.runset_settings.order[0].ascending  # least first
    assert '"group"' in as_json(layout)


def test_the_exported_model_is_an_artifact(runs):
    for run in runs:
        (artifact,) = [one.artifact for one in run if one.WhichOneof("record_type") == "artifact"]
        assert artifact.type == "model"
        assert (
            "model.safetensors" in {entry.path for entry in artifact.manifest.contents}
            or artifact.manifest.manifest_file_path
        )


def test_folders_of_nothing_are_told(tmp_path):
    with pytest.raises(ConfigError, match=r"dashboard\.outputs: expected a folder in which a training"):
        DashboardRun(None, None, None, str(tmp_path), None, "embedder", str(tmp_path)).run()
    with pytest.raises(ConfigError, match=r"dashboard\.sweep: expected a folder with sweep\.json in it"):
        DashboardRun(None, None, str(tmp_path), str(tmp_path), None, "embedder", str(tmp_path))
