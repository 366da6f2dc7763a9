"""Every benchmark can be built from its config, takes its own data set of a folder, and runs."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from embedder.data.queries import Queries
from embedder.public import PublicSource
from embedder.retrieval.benchmark import Benchmark

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "conf" / "benchmark").glob("[!_]*.yaml"))
PUBLIC = sorted(path.stem for path in (ROOT / "conf" / "public").glob("[!_]*.yaml"))
TOWNS = ["Orubel", "Belran", "Rantol", "Toloru"]
SEVEN = ["nq", "triviaqa", "popqa", "hotpotqa", "2wikimultihopqa", "musique", "bamboogle"]


def composed(directory, *overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("evaluate", overrides=[f"paths.root={directory}", f"paths.output_dir={directory}", *overrides])


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_is_built_with_its_public_data(name, tmp_path):
    config = composed(tmp_path, f"benchmark={name}")
    benchmark = instantiate(config.benchmark, _convert_="all")
    source = instantiate(config.source, _convert_="all")
    assert isinstance(benchmark, Benchmark)
    assert benchmark.name == name
    assert isinstance(source, PublicSource)
    assert {dataset.task for dataset in source.public.values()} == {task.name for task in config.tasks.values()}
    assert set(source.only or ()) <= {dataset.name or key for key, dataset in source.public.items()}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_form_is_built(name, tmp_path):
    config = composed(tmp_path, f"+public@public.one={name}")
    assert instantiate(config.public.one, _convert_="all").form is not None


def test_a_benchmark_names_the_data_sets_of_a_folder_its_prompt_and_its_cutoffs(tmp_path):
    config = composed(tmp_path, "benchmark=seven_qa", "source=corpus", "source.path=/data")
    assert list(config.source.only) == SEVEN
    assert composed(tmp_path, "benchmark=popqa").tasks.qa.prompt.examples.n == 15
    assert list(composed(tmp_path, "benchmark=toolbench").run.cutoffs) == [1, 3, 5]
    assert list(composed(tmp_path, "benchmark=qrecc").run.cutoffs) == [3, 10, 100]
    assert composed(tmp_path, "source=corpus", "source.path=/data").source.only is None


def test_all_subjects_of_mmlu_are_in_one_of_four_categories(tmp_path):
    benchmark = instantiate(composed(tmp_path, "benchmark=mmlu").benchmark, _convert_="all")
    assert {name: len(subjects) for name, subjects in benchmark.categories.items()} == {
        "stem": 18,
        "humanities": 13,
        "social_sciences": 12,
        "other": 14,
    }


def test_an_unknown_field_of_a_benchmark_is_named(tmp_path):
    config = composed(tmp_path, "benchmark=nq", "+benchmark.shots=3")
    with pytest.raises(InstantiationException, match="unexpected keyword argument 'shots'"):
        instantiate(config.benchmark, _convert_="all")


def test_a_benchmark_runs_on_files_of_its_public_form(tmp_path):
    pytest.importorskip("datasets")
    questions = [{"id": str(n), "question": f"Who built the tower {n}?", "golden_answers": ["Ann"]} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(questions), tmp_path / "nq.parquet")
    passages = [{"id": str(n), "contents": f'"Tower {n}"\nThe tower {n} was built by Ann.'} for n in range(9)]
    (tmp_path / "wiki-18.jsonl").write_text("".join(json.dumps(passage) + "\n" for passage in passages))
    config = composed(
        tmp_path,
        "benchmark=nq",
        "public.nq.form.test.name=parquet",
        f"public.nq.form.test.files={tmp_path}/nq.parquet",
        "public.nq.form.train=null",
        f"public.nq.corpus.table.files={tmp_path}/wiki-18.jsonl",
        "rows=[random,bm25]",
        "run.rag_enabled=false",
    )
    rows = instantiate(config.run, _convert_="all").score()
    assert [(row.dataset, row.retriever) for row in rows] == [("nq", "random"), ("nq", "BM25")]
    assert rows[0].protocol["queries"] == 3
    assert json.loads((tmp_path / "scores.json").read_text())["rows"][0]["dataset"] == "nq"


def write_folder(folder, keys, queries):
    folder.mkdir(parents=True)
    for name, rows in (("corpus", keys), ("test", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_benchmark_is_answered_and_its_parts_and_means_are_reported(tmp_path, llama_directory, caplog):
    for name in SEVEN:
        keys = [{"id": f"{name}-{n}", "text": f"The tower of {town} is high."} for n, town in enumerate(TOWNS)]
        queries = [
            {"query_id": f"{name}-q{n}", "query": town, "pos": [f"{name}-{n}"], "answers": ["high"], "gold": gold}
            for n, (town, gold) in enumerate(zip(TOWNS, ("yes", "no") * 2, strict=True))
        ]
        write_folder(tmp_path / "data" / "qa" / name, keys, queries)
    overrides = ["benchmark=seven_qa", "source=corpus", f"source.path={tmp_path}/data", "rows=[none,bm25]"]
    overrides += [f"llm.name={llama_directory}", "llm.device=cpu", "llm_outputs.n_outputs=2"]
    rows = instantiate(composed(tmp_path, *overrides).run, _convert_="all").score()
    assert [row.dataset for row in rows] == [name for name in sorted(SEVEN) for _ in range(2)]
    assert rows[1].protocol["answered"] == 4
    assert "qa/nq has no training queries: prompts have no few-shot examples" in caplog.text
    train = [{"query_id": f"t{n}", "query": f"How high is {n}?", "answers": [f"{n} metres"]} for n in range(5)]
    (tmp_path / "data" / "qa" / "popqa" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in train))
    overrides += ["benchmark.datasets=[bamboogle,popqa]", "rows=[none]", f"paths.output_dir={tmp_path}/lent"]
    shown = [row.protocol["prompt"] for row in instantiate(composed(tmp_path, *overrides).run, _convert_="all").score()]
    assert shown[0] == shown[1]
    assert "metres" in json.dumps(shown[0])  # bamboogle, which has none of its own
    table = (tmp_path / "table.md").read_text()
    assert "| qa/nq, ndcg@10 by gold | queries |  BM25 |" in table
    assert "| qa, mean of data sets |" in table
    page = (tmp_path / "report.html").read_text()
    assert "mean over 7 data sets" in page
    queries = Queries(tmp_path / "data" / "qa" / "nq" / "test.jsonl")
    assert queries[1].group("gold") == "no"


def test_the_score_of_icl_is_the_mean_of_categories(tmp_path, llama_directory):
    keys = [{"id": f"k{n}", "text": f"Is {town} old?\nyes"} for n, town in enumerate(TOWNS)]
    queries = [
        {"query_id": f"q{n}", "query": f"{town}?", "answers": ["yes"], "task_name": task}
        | ({"options": ["yes", "no"]} if task != "aeslc" else {})
        for n, (town, task) in enumerate(zip(TOWNS, ("rte", "rte", "cb", "aeslc"), strict=True))
    ]
    write_folder(tmp_path / "data" / "icl" / "mix", keys, queries)
    overrides = ["benchmark=icl", "source=corpus", f"source.path={tmp_path}/data", "rows=[none,bm25]"]
    overrides += [f"llm.name={llama_directory}", "llm.device=cpu", "rag.competitors=null"]
    _, row = instantiate(composed(tmp_path, *overrides).run, _convert_="all").score()
    score = row.per_query["score"]
    assert score["q0"] == row.per_query["accuracy"]["q0"]
    assert score["q3"] == row.per_query["rouge_l"]["q3"]
    macro = (((score["q0"] + score["q1"]) / 2 + score["q2"]) / 2 + score["q3"]) / 2
    lines = (tmp_path / "table.md").read_text().splitlines()
    title = "| icl/mix, mean by category and task_name | score |"
    place = next(n for n, line in enumerate(lines) if line.startswith(title))
    assert lines[place + 3].split("|")[2].strip() == f"{macro:.3f}"
