"""A data set without a test file is evaluated on a part of its training queries, by a model that has not seen them."""

import json

import pytest

from tests.entry_points import run_here


@pytest.fixture(scope="module")
def trained(tmp_path_factory, bert_directory):
    root = tmp_path_factory.mktemp("share")
    (root / "mine").mkdir()
    keys = [{"id": f"k{i}", "text": f"the harbour of guild {i}"} for i in range(30)]
    queries = [{"query_id": f"q{i}", "query": f"harbour {i}?", "pos": [f"k{i}"]} for i in range(30)]
    for name, rows in (("corpus", keys), ("train", queries)):
        (root / "mine" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = [f"paths.root={root}", "source=corpus", f"source.path={root}/mine", f"encoder.name={bert_directory}"]
    quick = ["trainer.accelerator=cpu", "trainer.max_steps=1", "trainer.val_check_interval=1", "data.batch_size=4"]
    quiet = ["logger=csv", "callbacks.plain.progress=null", "task_mix=tool"]
    done = run_here("train.py", *common, *quick, *quiet, f"hydra.run.dir={root}/all")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return root, [*common, "task_mix=tool", "rows=[bm25]", "run.rag_enabled=false"]


def test_the_part_is_what_is_evaluated(trained):
    root, common = trained
    done = run_here("evaluate.py", *common, "source.test_share=0.2", f"hydra.run.dir={root}/a")
    assert done.returncode == 0, done.stdout[-2000:]
    (row,) = json.loads((root / "a" / "scores.json").read_text())["rows"]
    assert row["protocol"]["queries"] == 6  # a fifth of 30
    without = run_here("evaluate.py", *common, f"hydra.run.dir={root}/b")
    assert without.returncode == 2
    assert "no test file (test.jsonl); source.test_share=0.1 keeps a tenth" in without.stdout


def test_a_model_that_has_seen_all_queries_is_refused(trained):
    root, common = trained
    done = run_here(
        "evaluate.py", *common, "source.test_share=0.2", f"checkpoint={root}/all/export", f"hydra.run.dir={root}/c"
    )
    assert done.returncode == 2, done.stdout[-2000:]
    assert "source.test_share: expected null, or a checkpoint that was trained with it, since this one" in done.stdout


def test_beside_one_with_tests_it_trains_alone_but_a_benchmark_needs_all(trained):
    root, common = trained
    (root / "tested").mkdir()
    for name, row in (("corpus", {"id": "k", "text": "pier"}), ("test", {"query_id": "q", "query": "?", "pos": ["k"]})):
        (root / "tested" / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    both = [*common, f"source.path=[{root}/mine,{root}/tested]"]
    done = run_here("evaluate.py", *both, f"hydra.run.dir={root}/d")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "tool/mine has no test.jsonl, so it is used for training only" in done.stdout
    (row,) = json.loads((root / "d" / "scores.json").read_text())["rows"]
    assert row["dataset"] == "tested"
    named = ["+benchmark={_target_: embedder.retrieval.benchmark.Benchmark, name: own, datasets: [mine, tested]}"]
    done = run_here("evaluate.py", *both, *named, f"hydra.run.dir={root}/e")
    assert done.returncode == 2
    assert "mine: this data set of the task 'tool' has no test file" in done.stdout
