"""Data to verdict with real, tiny models: prepare, train, export, evaluate, and the errors on the way."""

import csv
import json
import re
import signal

import pytest
import torch

from embedder.data.prepared import PreparedDataset
from embedder.encoders.checkpoint import load_trained
from embedder.llm.score_store import ScoreStore
from embedder.results.sealed_json import unsealed
from tests.entry_points import run, run_here
from tests.signalled import run_signalled


@pytest.fixture(scope="module")
def trained(tmp_path_factory, bert_directory, llama_directory):
    root = tmp_path_factory.mktemp("run")
    common = [
        f"paths.root={root}",
        "source.settings.passages=200",
        "source.settings.questions=60",
        f"encoder.name={bert_directory}",
        f"llm.name={llama_directory}",
        "llm.device=cpu",
        "prepare.max_train_queries=20",
        "llm_outputs.n_outputs=3",
        "candidates.n=4",
        'tasks.qa.key_instruction="read: "',
    ]
    done = run(
        "train.py",
        *common,
        f"hydra.run.dir={root}/train",
        "logger=csv",
        "trainer.accelerator=cpu",
        "trainer.max_steps=7",
        "trainer.val_check_interval=3",
        "trainer.log_every_n_steps=1",
        "data.batch_size=4",
        "callbacks.plain.progress=null",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return root, common


def test_training_leaves_checkpoint_log_and_export(trained):
    root, _ = trained
    with (root / "train" / "csv" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["train/qa/loss"]) for row in rows if row["train/qa/loss"]]
    assert len(losses) == 7
    assert all(loss > 0 for loss in losses)
    assert sum(bool(row["val/qa/ndcg@10"]) for row in rows) == 4  # before, after steps 3 and 6, and after the last
    assert sum(bool(row["val/loss"]) for row in rows) == 4
    last = torch.load(root / "train" / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
    assert last["global_step"] == 7  # whichever checkpoint is best
    exported, checkpoint = (
        load_trained(root / "train" / "export"),
        load_trained(root / "train" / "checkpoints" / "last.ckpt"),
    )
    assert exported.tasks == checkpoint.tasks
    assert exported.tasks["qa"].key_instruction == "read: "


def test_records_carry_rewards_of_the_llm(trained):
    root, _ = trained
    (directory,) = (root / "data" / "prepared" / "qa").glob("world-*")
    (rewards,) = (directory / "rewards").glob("*")
    prepared = PreparedDataset("qa", "world", directory, directory, rewards)
    records = [record for split in ("train", "validation") for record in prepared.records(split)]
    assert len(records) == 20
    for record in records:
        assert len(record.rewards) == len(record.positives) + len(record.negatives) == 4
        assert all(-3 <= reward <= 3 and reward == int(reward) for reward in record.rewards)


def test_going_on_from_a_checkpoint_gives_the_same_weights_and_refuses_another_plan(trained, tmp_path):
    root, common = trained
    steps = ["logger=csv", "trainer.accelerator=cpu", "data.batch_size=4", "callbacks.plain.progress=null"]
    steps += ["trainer.max_steps=7", "trainer.val_check_interval=3", "callbacks.plain.last.every_n_steps=1"]
    (best,) = (root / "train" / "checkpoints").glob("step-*.ckpt")
    resumed = run("train.py", *common, *steps, f"hydra.run.dir={tmp_path}/again", f"run.checkpoint={best}")
    assert resumed.returncode == 0, resumed.stdout[-2000:] + resumed.stderr[-3000:]
    ours, theirs = (
        torch.load(place / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
        for place in (root / "train", tmp_path / "again")
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    other = run_here("train.py", *common, *steps, "seed=1", f"hydra.run.dir={tmp_path}/x", f"run.checkpoint={best}")
    assert other.returncode == 2, other.stdout[-2000:]
    assert "was trained with other plan (seed)" in other.stdout or "was trained with other data" in other.stdout


def losses_by_step(directory):
    """All logged losses and scores, by step and name; those of later stretches of the run count."""
    found = {}
    logs = sorted(directory.glob("csv/metrics.until-stop-*.csv"))
    for path in [*logs, directory / "csv" / "metrics.csv"]:
        with path.open() as file:
            for row in csv.DictReader(file):
                found |= {
                    (int(row["step"]), name): row[name] for name in row if name.startswith("train/") and row[name]
                }
    return found


def test_a_killed_run_goes_on_as_if_nothing_had_happened(trained, tmp_path):
    _, common = trained
    mix = ["+task@tasks.tool=tool", "encoder.dropout=0.1", "data.batch_size=4"]
    mix += ["callbacks=self_paced", "callbacks.plain.self_paced.warmup=2"]
    mix += ["callbacks.reindex.every_n_steps=4"]  # before every kill and after
    steps = ["trainer.max_steps=40", "trainer.val_check_interval=15", "trainer.log_every_n_steps=1"]
    cpu = ["trainer.accelerator=cpu", "logger=csv", "callbacks.plain.progress=null", "run.checkpoint=last"]
    command = [*common, *mix, *steps, *cpu, "callbacks.plain.last.every_n_steps=5"]
    whole = run("train.py", *command, f"hydra.run.dir={tmp_path}/whole")
    assert whole.returncode == 0, whole.stdout[-2000:] + whole.stderr[-3000:]
    assert "training begins at the first step" in whole.stdout

    stopped = tmp_path / "stopped"
    method = "embedder.callbacks.stop_on_signal:StopOnSignal.on_train_batch_end"
    # Killed after step 7, where last.ckpt is of step 5; asked to stop in the 17th step after that.
    for signal_number, calls in ((signal.SIGKILL, 7), (signal.SIGTERM, 17)):
        ended = run_signalled(method, calls, signal_number, "train.py", *command, f"hydra.run.dir={stopped}")
        status = -signal.SIGKILL if signal_number == signal.SIGKILL else 128 + signal.SIGTERM
        assert ended.returncode == status, ended.stdout[-2000:] + ended.stderr[-2000:]
    told = ended.stdout
    assert re.search(
        r"stopped after step (\d+) of 40; to resume, .* hydra.run.dir=\S*stopped run.checkpoint=last", told
    )
    done = run("train.py", *command, f"hydra.run.dir={stopped}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "resuming from" in done.stdout

    assert losses_by_step(stopped) == losses_by_step(tmp_path / "whole")  # losses, rates and their factors, to the bit
    ours, theirs = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
        for name in ("whole", "stopped")
    )
    assert all(torch.equal(ours["state_dict"][name], theirs["state_dict"][name]) for name in ours["state_dict"])
    assert ours["lr_schedulers"] == theirs["lr_schedulers"]
    best = [(tmp_path / name / "export" / "model.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert best[0] == best[1]  # the same checkpoint was the best one
    other = run_here("train.py", *command, f"hydra.run.dir={stopped}", "encoder.lr=1e-5", "encoder.pooling=cls")
    assert other.returncode == 2
    assert "was trained with other training (encoder, optim)" in other.stdout


@pytest.fixture(scope="module")
def on_one_process(trained, tmp_path_factory):
    return on_processes(trained, tmp_path_factory.mktemp("one"), "trainer.devices=1")


def on_processes(trained, directory, *overrides):
    """Losses and scores of answers, by name, and final weights of six steps: six queries a batch, groups of three.

    The negatives of both tasks are found again after every second step, and those of `qa` are judged.
    """
    _, common = trained
    steps = ["trainer.max_steps=6", "trainer.val_check_interval=3", "trainer.log_every_n_steps=1", "data.batch_size=6"]
    cpu = ["trainer.accelerator=cpu", "logger=csv", "callbacks.plain.progress=null"]
    group = ["tasks.qa.sampling.group_size=3", "encoder.lr=5e-4"]
    group += ["+task@tasks.tool=tool", "tasks.tool.sampling.group_size=3", "callbacks.reindex.every_n_steps=2"]
    group += ["callbacks.rag_eval.every_n_steps=4", "callbacks.rag_eval.max_answered=2"]
    group += ["callbacks=self_paced", "callbacks.plain.self_paced.warmup=1"]  # factors from a task's second batch on
    done = run("train.py", *common, *steps, *cpu, *group, f"hydra.run.dir={directory}", *overrides)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert (directory / "export" / "model.safetensors").is_file()
    if "trainer.strategy=ddp_spawn" not in overrides:  # spawned processes have no log of ours
        assert done.stdout.count("each query sees ") == 2  # once a task
        assert done.stdout.count("negatives are new after") == 4  # said by one process: two tasks, twice
        assert done.stdout.count("the LLM judged the candidates of 18 records") == 2
    with (directory / "csv" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = [
        name for name in rows[0] if "loss" in name or name.startswith("rag/") or name.endswith(("/val_gain", "gold"))
    ]
    losses = {name: [float(row[name]) for row in rows if row[name]] for name in names}
    weights = torch.load(directory / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    return losses, weights


@pytest.mark.parametrize(
    "overrides",
    [
        ["trainer.devices=2", "trainer.strategy=ddp", "encoder.cached_gradients=true", "encoder.micro_batch_tokens=64"],
        pytest.param(["trainer.devices=4", "trainer.strategy=ddp", "encoder.unpadded=false"], marks=pytest.mark.slow),
        ["trainer=fsdp", "encoder.micro_batch_tokens=30"],  # of no effect: processes would make unlike many passes
        pytest.param(["trainer.devices=2", "trainer.strategy=ddp_spawn"], marks=pytest.mark.slow),
    ],
    ids=["2 ddp, cached gradients", "4 ddp, padded", "2 fsdp", "2 ddp_spawn"],
)
def test_losses_and_weights_do_not_depend_on_the_number_of_processes(trained, on_one_process, tmp_path, overrides):
    losses, weights = on_processes(trained, tmp_path, *overrides)
    expected_losses, expected_weights = on_one_process
    assert (
        losses.keys()
        == expected_losses.keys()
        >= {
            "train/qa/loss",
            "train/tool/loss",
            "val/loss",
            "rag/qa/em",
            "reindex/tool/val_gain",
            "reindex/qa/above_gold",
        }
    )
    for name, values in losses.items():
        assert values == pytest.approx(expected_losses[name], abs=1e-5), name
    assert len(losses["train/qa/loss"]) + len(losses["train/tool/loss"]) == 6
    for name, value in weights.items():
        if name.endswith("attention.self.key.bias"):
            continue  # softmax takes the same off every score: the true gradient is 0, and Adam blows its rounding up
        torch.testing.assert_close(value, expected_weights[name], rtol=0, atol=1e-4, msg=name)


def test_separate_encoders_with_adapters_train_and_go_on(trained, tmp_path):
    _, common = trained
    steps = ["logger=csv", "trainer.accelerator=cpu", "data.batch_size=4", "callbacks.plain.progress=null"]
    steps += ["trainer.max_steps=4", "trainer.val_check_interval=2", "callbacks.plain.last.every_n_steps=1"]
    steps += ["encoder.shared=false", "encoder.lora={r: 2, dropout: 0.1}", "encoder.gradient_checkpointing=true"]
    steps += ["trainer.precision=bf16-mixed"]
    done = run_here("train.py", *common, *steps, f"hydra.run.dir={tmp_path}/train")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    last = tmp_path / "train" / "checkpoints" / "last.ckpt"
    state = torch.load(last, map_location="cpu", weights_only=True)["state_dict"]
    adapters = {name: value for name, value in state.items() if "lora_B" in name and "pooler" not in name}
    for side in ("encoder.backbone", "encoder.key_backbone"):
        assert all(value.abs().sum() > 0 for name, value in adapters.items() if name.startswith(side))
    loaded = load_trained(last)
    assert loaded.tasks == load_trained(tmp_path / "train" / "export").tasks
    again = run_here("train.py", *common, *steps, f"hydra.run.dir={tmp_path}/again", f"run.checkpoint={last}")
    assert again.returncode == 0, again.stdout[-2000:] + again.stderr[-3000:]


def test_a_second_preparation_asks_the_llm_nothing_even_with_another_reward(trained):
    _, common = trained
    again = run_here("prepare.py", *common)
    assert "already prepared" in again.stdout
    other = run_here("prepare.py", *common, "reward=likelihood")
    assert other.returncode == 0, other.stderr[-2000:]
    assert "already prepared" in other.stdout
    assert "rewards in" in other.stdout


def test_parts_labelled_apart_make_the_same_records_and_early_stop_reads_off_the_store(trained, tmp_path):
    root, common = trained
    common = [f"paths.root={tmp_path}", f"paths.data_dir={root}/data", f"paths.store_dir={tmp_path}/store", *common[1:]]
    prepared = f"paths.prepared_dir={tmp_path}/prepared"
    n_labelled = 0
    for shard in ("1/2", "2/2"):
        part = run_here("prepare.py", *common, prepared, f"shard={shard}")
        assert part.returncode == 0, part.stderr[-2000:]
        n_labelled += int(re.search(r"(\d+) queries of part", part.stdout)[1])
        assert not (tmp_path / "prepared").exists()
    assert n_labelled == 20
    whole = run_here("prepare.py", *common, prepared)
    assert "0 prompts with 0 outputs scored" in whole.stdout
    for split in ("train", "validation"):
        (apart,) = (tmp_path / "prepared").glob(f"qa/world-*/{split}.jsonl")
        together = (root / "data" / "prepared" / "qa" / apart.parent.name / apart.name).read_text()
        assert apart.read_text() == together
    early = run_here(
        "prepare.py", *common, f"paths.prepared_dir={tmp_path}/early", "early_stop@prepare.rewards.early_stop=settled"
    )
    assert early.returncode == 0, early.stderr[-2000:]
    assert "0 prompts with 0 outputs scored" in early.stdout
    (manifest,) = (tmp_path / "early").glob("qa/world-*/manifest.json")
    report = json.loads(manifest.read_text())["labelling"]["early_stop"]
    assert 0 < report["judged"] <= report["candidates"] == 80


def test_the_report_and_the_estimate(trained):
    root, common = trained
    report = run_here("prepare.py", *common, "action=report")
    assert report.returncode == 0, report.stderr[-2000:]
    assert "labelled positives" in report.stdout
    reports = [
        json.loads(path.read_text())
        for path in (root / "data" / "prepared" / "qa").glob("world-*/rewards/*/report.json")
    ]
    assert [(r["n_queries"], r["n_candidates"]) for r in reports] == [(18, 72)]
    (page,) = (root / "data" / "prepared" / "qa").glob("world-*/rewards/*/report.html")
    assert "<b>18</b> training records" in page.read_text()
    assert str(page) in report.stdout
    stored = sorted((root / "data" / "store").rglob("*.parquet"))
    estimate = run_here("prepare.py", *common, "action=estimate")
    assert estimate.returncode == 0, estimate.stderr[-2000:]
    assert "qa/world: already prepared, nothing is left to do" in estimate.stdout
    fewer = run_here("prepare.py", *common, "action=estimate", "candidates.n=3")
    assert "0 of 80 prompts of 20 queries are left to score\n" in fewer.stdout
    estimate = run_here("prepare.py", *common, "action=estimate", "llm_outputs.max_new_tokens=4")
    assert estimate.returncode == 0, estimate.stderr[-2000:]
    assert "To label 20 queries with 4.0 candidates each" in estimate.stdout
    assert "(from 1 timed queries)" in estimate.stdout  # six of twenty would take half as long as the work
    assert sorted((root / "data" / "store").rglob("*.parquet")) == stored
    assert re.search(r"[\d,]+ scores: \d+ shards of .* MB in ", report.stdout)
    early = run_here("prepare.py", *common, "action=report", "candidates.n=5")
    assert early.returncode == 0, early.stderr[-2000:]
    # Of each of 20 queries the prompt without a candidate and those with the first 4 of 5 are scored; re-indexing in
    # other tests may have judged a few more.
    n_scored = re.search(r"not prepared yet, (\d+) of 120 prompts are scored", early.stdout)
    assert 100 <= int(n_scored[1]) < 120


def test_stores_of_two_machines_merge_into_one_shard(trained, tmp_path):
    root, common = trained
    there = root / "data" / "store"
    merged = run_here("prepare.py", *common, "action=merge", f"paths.store_dir={tmp_path}", f"run.stores=[{there}]")
    assert merged.returncode == 0, merged.stderr[-2000:]
    assert [len(list((tmp_path / kind).glob("*.parquet"))) for kind in ("scores", "samples")] == [1, 1]
    assert len(ScoreStore(tmp_path / "scores")) == len(ScoreStore(there / "scores")) > 0
    wrong = run_here("prepare.py", *common, "action=merge", f"paths.store_dir={tmp_path}", "run.stores=[/nowhere]")
    assert wrong.returncode == 2
    assert "run.stores: expected folders with scores/ or samples/ in them, got '/nowhere'" in wrong.stdout


def test_a_killed_evaluation_goes_on_and_scores_every_row(trained):
    root, common = trained
    folder, checkpoint = root / "evaluate", f"checkpoint={root}/train/export"
    command = ["evaluate.py", *common, f"hydra.run.dir={folder}", checkpoint, "rag.max_answered=4"]
    killed = run_signalled("embedder.results.folder:EvaluationFolder.add", 2, signal.SIGKILL, *command)
    assert killed.returncode == -signal.SIGKILL, killed.stdout[-2000:] + killed.stderr[-2000:]
    whole = [line for line in (folder / "rows.jsonl").read_text().splitlines(keepends=True) if line.endswith("\n")]
    before = [unsealed(json.loads(line)) for line in whole[1:]]
    done = run(*command)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("was scored before") == len(before) == 2
    scores = json.loads((root / "evaluate" / "scores.json").read_text())
    rows = {row["retriever"]: row for row in scores["rows"]}
    names = ["no retrieval", "random", "BM25", "base encoder", "hybrid", "trained encoder", "oracle"]
    assert list(rows) == names
    assert scores["rows"][: len(before)] == before
    lines = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    assert [line["retriever"] for line in lines] == [name for name in names for _ in range(15)]
    assert sum(line["output"] is not None for line in lines) == 4 * len(names)
    assert "ndcg@10" not in rows["no retrieval"]["mean"]
    assert all("em" in row["mean"] and len(row["per_query"]["em"]) == 4 for row in rows.values())
    assert rows["BM25"]["mean"]["ndcg@10"] > 0.5 > rows["random"]["mean"]["ndcg@10"]
    assert rows["oracle"]["mean"]["ndcg@10"] == 1.0
    assert rows["no retrieval"]["mean"]["gain"] == 0.0
    assert rows["BM25"]["protocol"]["queries"] == 15
    table = (root / "evaluate" / "table.md").read_text()
    assert all(name in table for name in rows)


def test_the_llm_answers_only_where_two_rows_show_it_different_keys(trained):
    root, common = trained
    folder = root / "differing"
    rows = ["rows=[none,bm25,oracle]", "rag.differing=[bm25,oracle]", "tasks.qa.consumer.top_k=1"]
    done = run("evaluate.py", *common, f"hydra.run.dir={folder}", *rows, "run.cutoffs=[1]", "rag.competitors=null")
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    first = {(line["retriever"], line["query_id"]): [key["text"] for key in line["keys"][:1]] for line in lines}
    queries = sorted({line["query_id"] for line in lines})
    differ = [query for query in queries if first["BM25", query] != first["oracle", query]]
    assert 0 < len(differ) < len(queries)
    assert f"bm25 and oracle show the LLM different keys for {len(differ)} of {len(queries)} queries" in done.stdout
    for title in ("no retrieval", "BM25", "oracle"):
        asked = [line["query_id"] for line in lines if line["retriever"] == title and line["output"] is not None]
        assert sorted(asked) == differ
    (protocol,) = {
        json.dumps(row["protocol"]["left_out"]) for row in json.loads((folder / "scores.json").read_text())["rows"]
    }
    assert json.loads(protocol) == {"shown the same keys (rag.differing)": len(queries) - len(differ)}
    wrong = run_here(
        "evaluate.py", *common, f"hydra.run.dir={root}/wrong", "rows=[none,bm25]", "rag.differing=[bm25,oracle]"
    )
    assert wrong.returncode == 2
    assert "rag.differing: expected two of the rows ['none', 'bm25'], or null, got ['bm25', 'oracle']" in wrong.stdout
    wrong = run_here("evaluate.py", *common, f"hydra.run.dir={root}/wrong", *rows, "consumer=agent")
    assert wrong.returncode == 2
    assert "rag.differing: expected null, since Agent (qa) searches again or skips keys" in wrong.stdout


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["source=corpus", "source.path=/nowhere"], "source.path: expected a directory"),
        (["tasks.qa.sampling.group_size=0"], "group_size: expected 1 or more, got 0"),
        (["source=jsonl", "source.path=BAD"], "bad.jsonl:2: not JSON"),
        (["source=corpus"], "source.path"),
        (["shard=0/4"], "shard: expected a part such as 3/16, got '0/4'"),
        (["prepare.max_train_queries=ten"], "prepare.max_train_queries: expected a whole number or null, got 'ten'"),
        (["candidates.n=2.5"], "candidates.n: expected a whole number, got 2.5"),
        (
            ["tasks.qa.objective.losses.graded.teacher_temperature=0"],
            "graded.teacher_temperature: expected a number above 0",
        ),
    ],
)
def test_a_users_error_is_one_line_without_a_traceback(tmp_path, overrides, message):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"query": "q", "pos": ["a"], "neg": ["b"], "teacher_scores": [1, 0]}\n{"query"\n')
    done = run_here("prepare.py", f"paths.root={tmp_path}", *[o.replace("BAD", str(bad)) for o in overrides])
    assert_is_told(done, message)
    assert not list(tmp_path.glob("data/prepared/qa/bad-*"))


def test_a_users_error_ends_a_process_of_its_own_the_same_way(tmp_path):
    done = run("prepare.py", f"paths.root={tmp_path}", "candidates.n=2.5")
    assert_is_told(done, "candidates.n: expected a whole number, got 2.5")


def assert_is_told(done, message):
    assert done.returncode == 2
    assert message in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["callbacks.reindex.every_n_steps=5"],
            "callbacks.reindex.every_n_steps: expected fewer steps than trainer.max_",
        ),
        (["callbacks=rag_eval", "tasks.qa.consumer=null"], "callbacks.rag_eval: expected a task with a prompt and a"),
        (["callbacks.plain.best.monitor=val/ndcg@5"], "got 'val/ndcg@5'"),
        (["callbacks=early_stopping", "callbacks.plain.early_stopping.monitor=val/qb/loss"], "did you mean val/loss?"),
        (["callbacks.plain.best.monitor=rag/qa/em"], "rag/... needs callbacks=rag_eval"),
        (["callbacks.plain.last=null"], "callbacks.plain.last: expected a LastCheckpoint"),
        (["trainer.precision=31"], "trainer.precision: expected"),
        (
            ["trainer.accelerator=tpu"],
            "trainer.accelerator: expected auto or one that this machine has (cpu), got 'tpu'",
        ),
        (["+logger.csv.colour=red"], "logger.csv"),
        (["logger=default", "+logger.tensorboard.colour=red"], "logger: expected settings that TensorBoardLogger"),
    ],
)
def test_what_training_cannot_take_is_told_before_anything_is_prepared(
    tmp_path, bert_directory, llama_directory, overrides, message
):
    common = [f"paths.root={tmp_path}", f"encoder.name={bert_directory}", f"llm.name={llama_directory}", "logger=csv"]
    common += ["encoder.sha256=null", "trainer.accelerator=cpu", "trainer.max_steps=1", "prepare.max_train_queries=2"]
    common += ["source.settings.passages=200", "source.settings.questions=20", f"hydra.run.dir={tmp_path}/train"]
    done = run_here("train.py", *common, *overrides)
    assert_is_told(done, message)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("labelled", [True, False])
def test_published_json_lines_train_as_they_are(tmp_path, bert_directory, labelled):
    rows = [
        {
            "query": f"who made thing {i}?",
            "pos": [f"thing {i} was made by me"] if labelled else [],
            "neg": [f"thing {i + j} is lost" for j in range(3)],
            "teacher_scores": [2.0, 1.0, 0.0, -1.0][: 3 + labelled],
        }
        for i in range(30)
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run_here(
        "train.py",
        f"paths.root={tmp_path}",
        "source=jsonl",
        f"source.path={tmp_path}/mine.jsonl",
        f"encoder.name={bert_directory}",
        "logger=wandb" if labelled else "logger=default",
        "trainer.accelerator=cpu",
        "trainer.max_steps=2",
        "trainer.val_check_interval=2",
        "data.batch_size=4",
        f"hydra.run.dir={tmp_path}/train",
        "callbacks.plain.progress=null",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "train" / "export" / "model.safetensors").is_file()
    assert bool(list((tmp_path / "train").glob("wandb/offline-run-*/*.wandb"))) == labelled
    assert ("is chosen by val/loss" in done.stdout) == (not labelled)
    assert f"{'val/ndcg@10' if labelled else 'val/loss'} was " in done.stdout  # what the best checkpoint is chosen by
