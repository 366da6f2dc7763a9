"""The ablation as its page runs it, on tiny data of a user: jobs, the comparison over seeds, and a second start."""

import json
import re
import shutil
from itertools import product
from pathlib import Path

import pytest

from embedder.entry.sweep_groups import compare_jobs, groups_of
from embedder.errors import ConfigError
from embedder.results.seeds_text import render_groups
from tests.entry_points import run_here
from tests.results.folders import row, write

VARIANTS = [
    *("full", "likelihood", "kl", "no_self_pacing", "mixed_batches", "no_instructions", "no_reindexing"),
    *("labels_alone", "rewards_alone"),
]

THINGS = [("lighthouse", "Oru"), ("bridge", "Vell"), ("mill", "Tam"), ("library", "Harrow"), ("tower", "Ulm")]


def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))


@pytest.fixture(scope="module")
def command(tmp_path_factory, bert_directory, llama_directory):
    """What makes the page's command take seconds, over a folder with a data set of each task."""
    root = tmp_path_factory.mktemp("ablation")
    for task in ("qa", "tool"):
        keys = [{"id": f"k{i}", "text": f"The {what} at {place} is old."} for i, (what, place) in enumerate(THINGS)]
        queries = [
            {"query_id": f"q{i}{ask}", "query": f"{task}: {ask} is the {what}?", "answers": [place], "pos": [f"k{i}"]}
            for i, (what, place) in enumerate(THINGS)
            for ask in ("where", "whose")
        ]
        lines(root / "data" / task / "corpus.jsonl", keys)
        lines(root / "data" / task / "train.jsonl", queries)
    models = [f"encoder.name={bert_directory}", f"llm.name={llama_directory}", "llm.device=cpu"]
    steps = ["trainer.max_steps=4", "trainer.accelerator=cpu", "data.batch_size=4", "callbacks.reindex.every_n_steps=2"]
    quick = ["candidates.n=3", "llm_outputs.n_outputs=2", "llm_outputs.max_new_tokens=4", "logger=csv"]
    quick += ["prepare.rewards.shipped_stores=[]", "rag.max_answered=2", "callbacks.plain.progress=null"]
    return ["-m", "experiment=ablation", f"source.path={root}/data", f"paths.root={root}", *models, *steps, *quick]


@pytest.mark.slow
def test_the_command_of_the_page_compares_every_variant(command, tmp_path):
    done = run_here("train.py", *command, f"hydra.sweep.dir={tmp_path}/sweep")
    assert done.returncode == 0, done.stdout[-3000:]
    text = (tmp_path / "sweep" / "sweep.md").read_text()
    for scope in ("qa/qa, ndcg@10", "qa/qa, log_likelihood", "tool/tool, ndcg@10", "mean of 2, ndcg@10"):
        table = text.partition(f"| {scope} ")[2].partition("\n\n")[0]
        assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == VARIANTS, scope
    logged = (tmp_path / "sweep" / "mixed_batches-0" / "csv" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train/mixed/loss", "train/qa/negatives_batch", "train/tool/negatives_batch"} <= set(logged)


def test_variants_with_seeds_are_compared_on_validation_queries_and_a_second_start_repeats_nothing(command, tmp_path):
    alone = ["task_mix=tool", "ablation=full,no_instructions", "seed=0,1"]
    sweep = [*command, *alone, f"hydra.sweep.dir={tmp_path}/sweep"]
    done = run_here("train.py", *sweep)
    assert done.returncode == 0, done.stdout[-3000:]
    folders = {path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()}
    assert folders == {"full-0", "full-1", "no_instructions-0", "no_instructions-1"}
    scores = json.loads((tmp_path / "sweep" / "full-1" / "evaluation" / "scores.json").read_text())
    (only,) = scores["rows"]
    assert only["retriever"] == "trained encoder"
    assert len(only["per_query"]["ndcg@10"]) == 5  # half of the training queries: there is no test file to read
    text = (tmp_path / "sweep" / "sweep.md").read_text()
    means = re.findall(r"^\| (full|no_instructions) +\| (0\.\d{3}) \| (0\.\d{3}) \| +(\S*)", text, flags=re.M)
    assert [name for name, *_ in means] == ["full", "no_instructions"]
    by_seed = [
        json.loads((tmp_path / "sweep" / f"full-{seed}" / "evaluation" / "scores.json").read_text())["rows"][0]["mean"]
        for seed in (0, 1)
    ]
    assert float(means[0][1]) == pytest.approx(sum(one["ndcg@10"] for one in by_seed) / 2, abs=6e-4)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "sweep").glob("*/export/model.safetensors")}
    del written[tmp_path / "sweep" / "full-1" / "export" / "model.safetensors"]
    shutil.rmtree(tmp_path / "sweep" / "full-1" / "evaluation")
    again = run_here("train.py", *sweep)
    assert again.returncode == 0
    assert again.stdout.count("is done and is skipped") == 3  # the fourth has no scores any more, and gets them
    assert (tmp_path / "sweep" / "sweep.md").read_text() == text
    assert written == {path: path.stat().st_mtime_ns for path in written}
    data = Path(next(word for word in command if word.startswith("source.path=")).partition("=")[2]) / "tool"
    whole = (data / "train.jsonl").read_text()
    (data / "train.jsonl").write_text(whole.replace("whose is", "who has"))
    other = run_here("train.py", *sweep)
    assert (other.returncode, other.stdout.count("was done with other data or models")) == (1, 4)
    assert "this run has trained with other data: the training queries of tool/tool" in other.stdout
    (data / "train.jsonl").write_text(whole)
    assert run_here("train.py", *sweep).returncode == 0  # from the last step of each
    assert (tmp_path / "sweep" / "sweep.md").read_text() == text
    compared = run_here(
        "evaluate.py", "action=compare", f"runs=[{tmp_path}/sweep]", "baseline=no_instructions",
        f"hydra.run.dir={tmp_path}/compared",
    )  # fmt: skip
    assert compared.returncode == 0, compared.stdout[-3000:]
    found = json.loads((tmp_path / "compared" / "compare.json").read_text())
    assert found["baseline"] == "no_instructions"
    assert {one["group"] for one in found["groups"]} == {"full", "no_instructions"}


def job(folder, number, state="done", **settings):
    write(folder / "evaluation", [row("trained encoder", {"ndcg@10": [0.5]})])
    return {"folder": folder.name, "number": number, "state": state, "settings": settings}


def test_jobs_are_grouped_by_all_but_their_seed_and_seeds_that_one_lacks_are_left_out(tmp_path):
    def jobs(*which):
        return [job(tmp_path / f"{lr}-{seed}", n, state, lr=lr, seed=seed, steps=9)
                for n, (lr, seed, state) in enumerate(which)]  # fmt: skip

    found = jobs((2, 0, "done"), (1, 0, "done"), (2, 1, "done"), (1, 1, "done"), (2, 2, "done"), (1, 2, "failed"))
    groups = groups_of(tmp_path, found[::-1])
    assert list(groups.evaluations) == ["2", "1"]  # the first job's is first
    assert groups.evaluations["1"] == {seed: tmp_path / f"1-{seed}" / "evaluation" for seed in ("0", "1")}
    assert set(groups.evaluations["2"]) == {"0", "1"}
    assert groups.left_out == ["seed 2, not evaluated for 1"]
    assert "\n\nLeft out:\n- seed 2, not evaluated for 1\n" in render_groups(compare_jobs(groups), "2", groups.left_out)
    with pytest.raises(ConfigError, match="two groups or more"):  # one seed of a group says nothing about seeds
        compare_jobs(groups_of(tmp_path, found[:3]))
    assert groups_of(tmp_path, found[:2]) is None


def test_another_group_does_not_become_the_baseline_where_that_of_the_first_job_has_failed(tmp_path):
    found = [
        job(tmp_path / f"{name}-{seed}", n, "failed" if name == "full" else "done", ablation=name, seed=seed)
        for n, (seed, name) in enumerate(product((0, 1), ("full", "kl", "labels_alone")))
    ]
    groups = groups_of(tmp_path, found)
    with pytest.raises(
        ConfigError, match=r"baseline: .*\['kl', 'labels_alone'\] \(left out: full: .* none\), got 'full'"
    ):
        compare_jobs(groups)
    assert {one.group for one in compare_jobs(groups, "labels_alone")} == {"kl", "labels_alone"}
