"""What is exported: the untrained encoder takes part, and what training did is told with what the queries can tell."""

import json
import re

import numpy as np
import pytest
from scipy import stats

from embedder.callbacks.validation_record import Validation, gain, retrieval_change, told_change
from embedder.encoders.checkpoint import load_trained
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.training.instructions import instruction_doubt
from embedder.types import Reading
from tests.entry_points import run_here

NAMES = ("Maren", "Tolvik", "Harrow", "Oru", "Tessaly", "Vindal", "Oskgate", "Bremund")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """20 keys, each named by its query."""
    folder = tmp_path_factory.mktemp("small")
    keys = [
        {"id": f"d{i}", "text": f"The lighthouse of {NAMES[i % 8]} {i} was built in {1700 + i}."} for i in range(20)
    ]
    rows = [{"query_id": f"q{i}", "query": keys[i]["text"][4:], "pos": [f"d{i}"]} for i in range(20)]
    for name, lines in (("corpus", keys), ("train", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def train(small, bert_directory, tmp_path, *overrides):
    return run_here(
        "train.py",
        *(f"paths.root={tmp_path}", f"hydra.run.dir={tmp_path}/run", "source=corpus", f"source.path={small}"),
        *("task_mix=tool", f"encoder.name={bert_directory}", "encoder.sha256=null", "encoder.pooling=mean"),
        *("logger=csv", "trainer.accelerator=cpu", "callbacks.plain.progress=null", "data.batch_size=4"),
        *("trainer.max_steps=2", "trainer.val_check_interval=1", "prepare.validation.share=0.3"),
        *("tasks.tool.sampling.group_size=4", *overrides),
    )


def vectors(encoder, texts):
    return encoder.encode(texts, Reading("key", "Transform: ", 64))


@pytest.mark.parametrize("monitor", ["val/ndcg@10", "val/loss"])
def test_an_encoder_that_got_worse_is_exported_as_it_was(small, bert_directory, tmp_path, monitor):
    done = train(small, bert_directory, tmp_path, "encoder.lr=1", f"callbacks.plain.best.monitor={monitor}")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "training made the encoder worse, so it is exported as it was before the first step" in done.stdout
    assert re.search(rf"{monitor} was [\d.]+ before training and is [\d.]+ after [12] steps", done.stdout)
    texts = [f"text {name}" for name in NAMES]
    exported = load_trained(tmp_path / "run" / "export").encoder
    untrained = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    np.testing.assert_allclose(vectors(exported, texts), vectors(untrained, texts), atol=1e-6)
    described = json.loads((tmp_path / "run" / "export" / "embedder.json").read_text())
    assert described["untrained"]
    told = f"training made the encoder worse, so its weights are those from before the first step: {monitor} was "
    assert told in (tmp_path / "run" / "export" / "README.md").read_text()
    last = load_trained(tmp_path / "run" / "checkpoints" / "last.ckpt").encoder
    assert abs(vectors(last, texts) - vectors(untrained, texts)).max() > 0.01  # it was trained


def test_an_encoder_that_did_not_get_worse_is_exported_and_few_queries_cannot_tell(small, bert_directory, tmp_path):
    instructions = [r"tasks.tool.query_instruction='Find:'", r"tasks.tool.key_instruction='Tool:\n'"]
    done = train(small, bert_directory, tmp_path, "encoder.lr=1e-7", *instructions)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "worse" not in done.stdout.replace("0 worse", "")
    assert re.search(r"6 validation queries: 0 better, 0 worse\); 6 queries cannot tell that from chance", done.stdout)
    assert re.search(r"exporting .*step-\d\.ckpt \(val/ndcg@10 ", done.stdout)
    told = re.findall(r"tasks\.tool\.\w+_instruction has [^\n]*", done.stdout)
    assert len(told) == 2
    assert "query_instruction has no blank at its end" in told[0]
    assert "key_instruction has a backslash and an n written out" in told[1]


def test_a_run_whose_folder_was_moved_exports_its_best_checkpoint_all_the_same(small, bert_directory, tmp_path):
    done = train(small, bert_directory, tmp_path, "encoder.lr=1e-7")
    assert "step-1.ckpt (val/ndcg@10 " in done.stdout  # the first of two with the same score
    (tmp_path / "run").rename(tmp_path / "moved")
    moved = tmp_path / "moved"
    expected = (moved / "export" / "model.safetensors").read_bytes()
    for checkpoint in ("last", f"{moved}/checkpoints/step-1.ckpt"):  # done; or a step and a validation are left
        resumed = [f"hydra.run.dir={moved}", f"run.checkpoint={checkpoint}"]
        done = train(small, bert_directory, tmp_path, "encoder.lr=1e-7", *resumed)
        assert done.returncode == 0, done.stdout[-2000:]
        assert f"exporting {moved}/checkpoints/step-1.ckpt" in done.stdout
        assert (moved / "export" / "model.safetensors").read_bytes() == expected


def test_a_run_that_early_stopping_has_ended_goes_on_with_more_patience_alone(small, bert_directory, tmp_path):
    stopping = ["callbacks=early_stopping", "callbacks.plain.early_stopping.min_delta=9", "trainer.max_steps=8"]
    told = []
    for patience, steps in ((1, 2), (1, 2), (2, 3)):  # the first validation is the best; each later one is no better
        settings = [*stopping, f"callbacks.plain.early_stopping.patience={patience}", "run.checkpoint=last"]
        done = train(small, bert_directory, tmp_path, "encoder.lr=1e-7", *settings)
        assert f" after {steps} steps: " in done.stdout, done.stdout[-2000:]
        told.append("early stopping has ended this run, so it takes no further step" in done.stdout)
    assert told == [False, True, False]


def validation(step, **queries):
    named = {f"tool/{name}": {f"q{i}": value for i, value in enumerate(values)} for name, values in queries.items()}
    means = [np.mean(values) for values in queries.values()]
    return Validation(step, {"val/ndcg@10": float(np.mean(means)), "val/loss": 2.0 - step / 100}, named)


def test_of_a_metric_that_is_not_known_the_mode_tells_what_is_better():
    before, after = (Validation(step, {"rag/qa/mine": value}, {}) for step, value in ((0, 2.0), (5, 1.5)))
    assert gain("rag/qa/mine", before, after, "min") == 0.5
    assert gain("rag/qa/mine", before, after, "max") == -0.5
    losses = (Validation(step, {"val/loss": value}, {}) for step, value in ((0, 2.0), (5, 1.5)))
    assert gain("val/loss", *losses, "max") == 0.5


def test_the_interval_and_the_test_are_those_of_the_paired_differences():
    before, after = (
        validation(0, d=[0.2, 0.5, 0.4, 0.1, 0.6, 0.3, 0.5, 0.2]),
        validation(50, d=[0.6, 0.9, 0.7, 0.6, 0.9, 0.8, 0.9, 0.7]),
    )
    change = retrieval_change(before, after)
    differences = np.array([0.4, 0.4, 0.3, 0.5, 0.3, 0.5, 0.4, 0.5])
    assert change.difference == pytest.approx(differences.mean()) == pytest.approx(0.4125)
    assert change.p == pytest.approx(2 / 2**8)  # all signs alike
    low, high = stats.t.interval(0.95, 7, differences.mean(), stats.sem(differences))
    assert low - 0.02 < change.interval.low < 0.4125 < change.interval.high < high + 0.02
    told = told_change("val/ndcg@10", before, after)
    assert told.startswith(
        "val/ndcg@10 was 0.3500 before training and is 0.7625 after 50 steps (+0.4125, 95 % interval +0"
    )
    assert told.endswith("8 validation queries: 8 better, 0 worse), beyond chance (p = 0.0078)")
    assert (
        told_change("val/loss", before, after)
        == "val/loss was 2.0000 before training and is 1.5000 after 50 steps (-0.5000)"
    )


def test_three_queries_cannot_tell_even_if_all_of_them_rose():
    told = told_change("val/ndcg@10", validation(0, d=[0.1, 0.2, 0.3]), validation(9, d=[0.5, 0.7, 0.9]))
    assert told.endswith("3 validation queries: 3 better, 0 worse); 3 queries cannot tell that from chance (p = 0.25)")


def test_without_scores_of_queries_the_means_are_told():
    before, after = Validation(0, {"val/ndcg@10": 0.5}, {}), validation(3, d=[0.5, 0.7])
    assert told_change("val/ndcg@10", before, after).endswith("is 0.6000 after 3 steps (+0.1000)")
    assert told_change("rag/qa/em", before, after) is None


@pytest.mark.parametrize(
    ("instruction", "doubt"),
    [
        ("", None),
        ("Find: ", None),
        ("Find:\n", None),
        ("\u67e5\u8be2\uff1a", None),
        ("Find:", "no blank"),
        ("Find:\\n", "backslash"),
        ("Find:\\n ", "backslash"),
        ("query", "no blank"),
    ],
)
def test_what_was_probably_not_meant_in_an_instruction(instruction, doubt):
    found = instruction_doubt(instruction)
    assert found is None if doubt is None else doubt in found
