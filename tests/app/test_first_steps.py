"""What a newcomer does in the order of the README: tools from labels, their evaluation, questions without an LLM."""

import json

import pytest
import torch

from embedder.data.sources import CorpusSource
from embedder.errors import ConfigError
from embedder.evaluation.tasks_of_checkpoint import tasks_of_checkpoint, tasks_with_data
from embedder.rewards.reward import NoReward
from embedder.training.objective import Contrastive, Graded, Objective
from embedder.training.sampling import Sampling
from embedder.training.task import Labelling, Task
from tests.entry_points import run_here
from tests.own_loss import OwnLoss


def write(folder, name, rows):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "mine"
    write(folder, "corpus", [{"id": f"k{i}", "text": f"thing {i} costs {i} coins"} for i in range(12)])
    for name, some in (("train", range(8)), ("test", range(8, 12))):
        rows = [
            {"query_id": f"{i}", "query": f"the price of thing {i}", "answers": [f"{i} coins"], "pos": [f"k{i}"]}
            for i in some
        ]
        write(folder, name, rows)
    return folder


@pytest.fixture(scope="module")
def quick(tmp_path_factory, bert_directory, data):
    root = tmp_path_factory.mktemp("first")
    return root, ["source=corpus", f"source.path={data}", f"paths.root={root}", f"encoder.name={bert_directory}"]


def train(quick, name, *overrides):
    root, common = quick
    steps = ["logger=csv", "trainer.accelerator=cpu", "trainer.max_steps=2", "data.batch_size=2"]
    done = run_here(
        "train.py",
        *common,
        *steps,
        "candidates.n=3",
        "callbacks.plain.progress=null",
        f"hydra.run.dir={root}/{name}",
        *overrides,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return root / name / "export"


@pytest.fixture(scope="module")
def tools(quick):
    return train(quick, "tools", "task_mix=tool")


def evaluated(quick, checkpoint, *overrides):
    root, common = quick
    done = run_here(
        "evaluate.py",
        *common,
        f"checkpoint={checkpoint}",
        f"hydra.run.dir={root}/evaluate",
        "rows=[bm25,trained]",
        *overrides,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return {row["task"] for row in json.loads((root / "evaluate" / "scores.json").read_text())["rows"]}


def test_the_tasks_evaluated_are_those_of_the_export_and_of_the_checkpoint(quick, tools):
    assert evaluated(quick, tools) == {"tool"}
    assert evaluated(quick, tools.parent / "checkpoints" / "last.ckpt") == {"tool"}


def test_a_mix_that_is_named_is_taken_at_its_word(quick, tools):
    root, common = quick
    done = run_here("evaluate.py", *common, "task_mix=qa", f"checkpoint={tools}", f"hydra.run.dir={root}/wrong")
    assert done.returncode == 2
    assert "checkpoint: expected a model trained on the task 'qa', got ['tool']" in done.stdout


def test_the_row_trained_without_a_checkpoint_is_an_error_only_where_it_was_asked_for(quick):
    root, common = quick
    done = run_here("evaluate.py", *common, "rows=[bm25,trained]", f"hydra.run.dir={root}/without")
    assert done.returncode == 2
    assert "checkpoint: expected a checkpoint or an exported folder, since rows asks for `trained`" in done.stdout
    done = run_here("evaluate.py", *common, "rows=[bm25]", "checkpoint=/nope", f"hydra.run.dir={root}/without")
    assert done.returncode == 2  # though no row reads it
    assert "checkpoint: expected a .ckpt file, the folder export/ of a training run" in done.stdout
    done = run_here("evaluate.py", *common, "rows=[bm25,recent]", f"hydra.run.dir={root}/without")
    assert done.returncode == 2
    assert "rows: expected no `recent`" in done.stdout
    done = run_here("evaluate.py", *common, "run.rag_enabled=false", f"hydra.run.dir={root}/without")
    assert done.returncode == 0, done.stdout[-2000:]
    names = [row["retriever"] for row in json.loads((root / "without" / "scores.json").read_text())["rows"]]
    assert names == ["no retrieval", "random", "BM25", "base encoder", "hybrid", "oracle"]


def test_questions_train_from_labels_without_an_llm(quick):
    root, _ = quick
    # A model that is not there: nobody may ask for it.
    export = train(quick, "labels", "reward=none", "llm.name=/nowhere", f"paths.store_dir={root}/store")
    assert json.loads((export / "embedder.json").read_text())["tasks"].keys() == {"qa"}
    assert not (root / "store").exists()
    assert "train/qa/loss" in (export.parent / "csv" / "metrics.csv").read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("losses", "used"),
    [
        ({"own": OwnLoss(), "graded": Graded(), "contrastive": Contrastive(0.0)}, {"own": OwnLoss()}),
        ({"own": OwnLoss(needs_rewards=True)}, {"contrastive": Contrastive()}),
        (
            {"own": OwnLoss(needs_positives=False)},
            {"own": OwnLoss(needs_positives=False), "contrastive": Contrastive()},
        ),
        ({"own": OwnLoss(), "contrastive": Contrastive(0.5)}, {"own": OwnLoss(), "contrastive": Contrastive(0.5)}),
    ],
)
def test_labels_only_asks_a_loss_what_it_needs_whoever_wrote_it(losses, used):
    assert Objective(losses, labels_only=True).used == used


def test_another_loss_under_the_name_of_the_contrastive_one_is_refused():
    with pytest.raises(ConfigError, match=r"objective\.losses\.contrastive: expected another name for this loss"):
        Objective({"contrastive": OwnLoss(needs_positives=False)}, labels_only=True)


def test_labels_only_is_the_contrastive_loss_at_its_weight_or_at_one():
    scores, others = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0]])
    positives, judged = torch.tensor([[True, False]]), torch.tensor([False])
    batch = (scores, torch.zeros(1, 2), positives, judged, others)
    (alone,) = Objective({"contrastive": Contrastive()})(*batch)
    for losses, factor in (
        ({"graded": Graded()}, 1.0),
        ({"graded": Graded(), "contrastive": Contrastive(weight=0.0)}, 1.0),
        ({"graded": Graded(), "contrastive": Contrastive(weight=0.5)}, 0.5),
    ):
        objective = Objective(losses, labels_only=True)
        assert not objective.needs_rewards
        assert objective.needs_positives
        assert torch.equal(objective(*batch), alone[None])
        assert objective.weights == [factor]


def test_no_reward_for_a_task_whose_objective_distils_them_is_refused_before_the_llm_is_asked(quick):
    root, common = quick
    done = run_here(
        "prepare.py", *common, "reward=none", "tasks.qa.objective.labels_only=false", f"hydra.run.dir={root}/p"
    )
    assert done.returncode == 2
    assert "reward: expected a kind of reward, since the objective of task 'qa' distils them, got 'none'" in done.stdout
    with pytest.raises(ConfigError, match=r"task.labelling.reward: expected settings or null"):
        Labelling(reward={"reward": NoReward()})


def test_a_task_of_the_checkpoint_that_is_not_known_or_has_no_data(tmp_path, caplog):
    tasks = {name: Task(name, "", "", 64, 64, Objective(), Sampling()) for name in ("qa", "tool")}
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "embedder.json").write_text(
        '{"tasks": {"faq": {}, "tool": {}}, "encoder": {"name": "base"}}'
    )
    with pytest.raises(ConfigError, match=r"task_mix: .*trained on \['faq', 'tool'\]"):
        tasks_of_checkpoint(tasks, str(tmp_path / "export"))
    assert list(tasks_of_checkpoint(tasks, None)) == ["qa"]
    assert list(tasks_of_checkpoint(tasks, str(tmp_path))) == ["qa"]  # a model of others
    for name in ("corpus", "test"):
        write(tmp_path / "data" / "tool", name, [])
    source = CorpusSource(str(tmp_path / "data"), str(tmp_path))
    assert list(tasks_with_data(tasks, source)) == ["tool"]
    assert "task qa of the checkpoint is left out" in caplog.text
    with pytest.raises(ConfigError, match=r"source.path"):
        tasks_with_data({"qa": tasks["qa"]}, source)
