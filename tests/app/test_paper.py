"""All benchmarks of a paper in one command, small: on the bundled world, with models of a test."""

import json

import pytest

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.types import TaskSides
from tests.entry_points import composed, run_here

PARTS = ["mmlu", "popqa", "icl", "chat", "lrlm", "toolbench", "qrecc"]


@pytest.fixture
def small(tmp_path, bert_directory, llama_directory):
    return [
        "source=world",
        f"paths.root={tmp_path}",
        f"hydra.run.dir={tmp_path}/paper",
        f"encoder.name={bert_directory}",
        f"llm.name={llama_directory}",
        "llm.device=cpu",
        "llm.dtype=float32",
        "source.settings.passages=200",
        "source.settings.questions=24",
        "rag.max_answered=2",
        "rows=[none,bm25,base]",
        'paper.settings=["run.max_test_queries=3"]',
    ]


def table_of(folder):
    lines = json.loads((folder / "paper.json").read_text())["lines"]
    return {(line["benchmark"], line["retriever"]): line for line in lines}


def test_the_published_table_is_that_of_the_leaderboard():
    published = composed("evaluate", "experiment=paper_table").paper.published
    table = {row.title: dict(row["values"]) for row in published.rows}
    names = ["mmlu", "popqa", "icl", "msc", "lrlm", "toolbench", "qrecc"]
    assert table["LLM alone"] == dict(zip(names, [0.4599, 0.2061, 0.4645, 19.3501, 6.4003], strict=False))
    assert list(table["BM25"].values()) == [0.4721, 0.3491, 0.484, 14.6512, 6.1558, 0.5115, 0.4341]
    assert list(table["BGE-base"].values()) == [0.4896, 0.4491, 0.5974, 14.2943, 6.1335, 0.5761, 0.3856]
    assert list(table["LLM-Embedder"].values()) == [0.4903, 0.5052, 0.6288, 13.4832, 6.0972, 0.8645, 0.5053]
    assert [*published.benchmarks] == names
    assert {row.title: row.encoder for row in published.rows if "encoder" in row} == dict.fromkeys(
        ["BGE-base", "LLM-Embedder"], "bge-base-en"
    )
    assert {one.part for one in published.benchmarks.values()} == set(PARTS)


def test_the_means_of_the_seven_sets_are_those_of_their_columns():
    published = composed("evaluate", "experiment=search_agent").paper.published
    for row in published.rows:
        seven = [value for name, value in row["values"].items() if name != "mean"]
        assert row["values"].mean == pytest.approx(sum(seven) / 7, abs=1e-4)
    questions = [one.questions for name, one in published.benchmarks.items() if name != "mean"]
    assert questions == [3610, 11313, 14267, 7405, 12576, 2417, 125]
    assert published.benchmarks.mean.questions == sum(questions)


def test_the_benchmarks_of_the_paper_in_one_command(tmp_path, small):
    command = ["evaluate.py", "experiment=paper_table", *small, "~paper.parts.mmlu"]  # its questions have no options
    command += ["tasks.lrlm.consumer.recent=1", "tasks.lrlm.consumer.top_k=2"]
    done = run_here(*command)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert [part for part in PARTS if (tmp_path / "paper" / part / "scores.json").is_file()] == PARTS[1:]
    table = table_of(tmp_path / "paper")
    ours = {name for name, line in table.items() if line["ours"] is not None}
    assert len(ours) == 3 * 4 + 2 * 2  # the LLM alone has no rankings
    popqa = table["PopQA", "BGE-base / base encoder"]
    assert (popqa["published"], popqa["questions"], popqa["keys"], popqa["top_k"]) == (0.4491, 2, 200, 3)
    assert popqa["comparable"].startswith("no: data sets (world), questions (14,267), keys (21,000,000), LLM, encoder")
    assert table["MMLU", "LLM-Embedder"]["ours"] is None
    chat = json.loads((tmp_path / "paper" / "chat" / "scores.json").read_text())["rows"][1]
    assert table["Multi-Session Chat", "BM25"]["ours"]["value"] == chat["mean"]["perplexity"]
    again = run_here(*command)
    assert again.returncode == 0
    assert again.stdout.count("was scored before and is skipped") == 3 * 6
    assert table_of(tmp_path / "paper") == table


def test_the_seven_sets_with_a_search_agent(tmp_path, small):
    small = [word for word in small if not word.startswith(("rows=", "rag."))]
    done = run_here("evaluate.py", "experiment=search_agent", *small, "rows=[bm25]", "rag.max_answered=1")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    table = table_of(tmp_path / "paper")
    assert (table["mean of seven", "BM25"]["questions"], table["mean of seven", "BM25"]["top_k"]) == (1, 3)
    assert table["NQ", "LLM-Embedder"]["published"] == 0.4132
    protocol = json.loads((tmp_path / "paper/seven_qa/scores.json").read_text())["rows"][0]["protocol"]
    assert (protocol["consumer"]["class"], protocol["consumer"]["max_searches"]) == ("Agent", 5)
    assert not protocol["consumer"]["example"]


def test_what_no_part_could_take_is_told_before_the_first_is_begun(tmp_path, small, bert_directory):
    of_a_task = "consumer@tasks.tool.consumer=tool_choice"  # which the parts before this one do not all have
    done = run_here("evaluate.py", "experiment=paper_table", *small, of_a_task, 'paper.parts.qrecc=["benchmark=qrec"]')
    assert done.returncode == 2
    assert "the settings of qrecc: expected what can be set together" in done.stdout
    assert "benchmark/qrec" in done.stdout
    assert "got ['source=world'" in done.stdout  # what the command sets is named, and first
    assert not (tmp_path / "paper" / "mmlu").exists()
    done = run_here("evaluate.py", "experiment=paper_table", *(one for one in small if not one.startswith("rows=")))
    assert "checkpoint: expected a checkpoint or an exported folder, since rows asks for `trained`" in done.stdout
    assert not (tmp_path / "paper" / "mmlu").exists()
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory)))
    of_qa = export(encoder, {"qa": TaskSides()}, tmp_path / "export", {})
    done = run_here("evaluate.py", "experiment=paper_table", *small, f"checkpoint={of_qa}", "rows=[bm25,trained]")
    told = "checkpoint: expected a model trained on the tasks of all parts (~paper.parts.icl ~paper.parts.chat "
    assert f"{told}~paper.parts.lrlm ~paper.parts.toolbench ~paper.parts.qrecc leaves out those without)" in done.stdout
    assert not (tmp_path / "paper" / "mmlu").exists()
    for setting, told in (
        ("run.cutoffs=[10]", "run.cutoffs: expected a list with 5, since the part toolbench"),
        ("run.rag_enabled=false", "run.rag_enabled: expected true, since the part mmlu"),
    ):
        done = run_here("evaluate.py", "experiment=paper_table", *small, f'paper.settings=["{setting}"]')
        assert told in done.stdout
        assert not (tmp_path / "paper" / "mmlu").exists()
    (tmp_path / "data" / "qa" / "popqa").mkdir(parents=True)
    for file in ("corpus", "test"):
        (tmp_path / "data" / "qa" / "popqa" / f"{file}.jsonl").write_text('{"id": "1", "text": "a"}\n')
    only_popqa = [word for word in small if not word.startswith("source")] + [f"source.path={tmp_path}/data"]
    done = run_here("evaluate.py", "experiment=paper_table", *only_popqa, "source=corpus", "~paper.parts.mmlu")
    assert "of paper.parts.icl: expected a part whose data sets are there ('~paper.parts.icl'" in done.stdout
    assert not (tmp_path / "paper" / "popqa").exists()
    done = run_here("evaluate.py", "action=paper", f"hydra.run.dir={tmp_path}/paper")
    assert "experiment: expected one with the benchmarks of a paper, such as paper_table" in done.stdout
