"""The table of a paper, from small files of scores: where each number comes from, and which may be compared."""

import json

import pytest

from embedder.errors import ConfigError
from embedder.published.lines import Measured, paper_lines
from embedder.published.numbers import Benchmark, Published, PublishedRow
from embedder.published.table import lines_as_json, render_paper
from embedder.results.row import Row

READER = "meta-llama/Llama-2-7b-chat-hf"
POPQA = Benchmark("PopQA", "popqa", "em", ["popqa"], questions=2, keys=100, top_k=3)
TOOLS = Benchmark("ToolBench", "tools", "ndcg@5", ["toolbench"])
ROWS = [
    PublishedRow("LLM alone", {"popqa": 0.2}, row="none"),
    PublishedRow("BGE-base", {"popqa": 0.4, "tools": 0.6}, row="base", encoder="bge-base-en"),
    PublishedRow("AAR", {"popqa": 0.3}),
    PublishedRow("LLM-Embedder", {"popqa": 0.5}, row="trained", encoder="bge-base-en"),
]
PAPER = Published("a paper", "Llama-2-7b-chat-hf", {"popqa": POPQA, "tools": TOOLS}, ROWS)


def row(retriever, values, *, dataset="popqa", metric="em", keys=102, top_k=3, parts=None):
    per_query = {metric: {f"q{n}": value for n, value in enumerate(values)}}
    consumer = {"class": "ByOptions", "choice": {"class": "OptionLikelihood", "top_k": top_k}}
    fields = {"task_name": {f"q{n}": part for n, part in enumerate(parts)}} if parts else {}
    protocol = {"keys": keys, "consumer": consumer}
    return Row("qa", dataset, retriever, per_query, protocol, fields, tuple(fields))


def measured(*rows, reader=READER, encoder="BAAI/bge-base-en"):
    return Measured(rows, reader, encoder)


def lines(published=PAPER, **parts):
    return {(line.benchmark, line.retriever): line for line in paper_lines(published, parts)}


def test_ours_stands_beside_the_published_number_and_says_what_it_was_measured_by():
    found = lines(popqa=measured(row("no retrieval", [0, 1]), row("base encoder", [1, 1]), row("BM25", [0, 0])))
    base = found["PopQA", "BGE-base / base encoder"]
    assert (base.published, base.ours.value, base.ours.low) == (0.4, 1.0, pytest.approx(0.1581, abs=1e-3))
    assert (base.questions, base.keys, base.top_k, base.reader, base.comparable) == (2, 102, 3, READER, "yes")
    alone = found["PopQA", "LLM alone / no retrieval"]
    assert (alone.ours.value, alone.keys, alone.top_k, alone.comparable) == (0.5, None, None, "yes")
    assert (found["PopQA", "AAR"].ours, found["PopQA", "AAR"].comparable) == (None, "-")
    assert (found["PopQA", "BM25"].published, found["PopQA", "BM25"].comparable) == (None, "-")
    assert found["ToolBench", "BGE-base"].ours is None  # this part was not run
    assert len(found) == 6


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"rows": row("base encoder", [1, 1, 0])}, "no: questions (2)"),
        ({"rows": row("base encoder", [1, 1], keys=94)}, "no: keys (100)"),
        ({"rows": row("base encoder", [1, 1], top_k=1)}, "no: shown (3)"),
        ({"rows": row("base encoder", [1, 1], dataset="world")}, "no: data sets (world)"),
        ({"reader": "SmolLM2-135M"}, "no: LLM"),
        ({"reader": "somebody/Llama-2-7b-chat-hf-GGUF"}, "no: LLM"),
        ({"reader": "somebody/medical-Llama-2-7b-chat-hf"}, "no: LLM"),
        ({"encoder": "BAAI/bge-base-en-v1.5"}, "no: encoder"),
        ({"reader": "Qwen", "rows": row("base encoder", [1], keys=9)}, "no: questions (2), keys (100), LLM"),
    ],
)
def test_what_was_measured_otherwise_is_named(changed, why):
    given = {"rows": row("base encoder", [1, 1])} | changed
    found = lines(popqa=measured(given.pop("rows"), **given))
    assert found["PopQA", "BGE-base / base encoder"].comparable == why


@pytest.mark.parametrize(
    ("trained", "comparable"),
    [("BAAI/bge-base-en", "yes"), ("sentence-transformers/all-MiniLM-L6-v2", "no: encoder"), (None, "no: encoder")],
)
def test_the_trained_encoder_is_told_from_the_published_one_by_what_it_was_before(trained, comparable):
    of = Measured([row("trained encoder", [1, 1])], READER, "BAAI/bge-base-en", trained)
    assert lines(popqa=of)["PopQA", "LLM-Embedder / trained encoder"].comparable == comparable


def test_what_the_paper_does_not_say_is_not_taken_to_be_equal():
    found = lines(tools=measured(row("base encoder", [1, 0], dataset="toolbench", metric="ndcg@5"), reader="any"))
    tools = found["ToolBench", "BGE-base / base encoder"]
    assert (tools.comparable, tools.reader, tools.top_k) == ("not published: questions, keys", None, None)


def test_a_mean_counts_subjects_or_data_sets_as_the_paper_does():
    # Subjects: (1 + 0 + 0) / 3 of a and 1 of b have the mean 2/3, where the queries have 1/2.
    subjects = row("base encoder", [1, 0, 0, 1], dataset="mmlu", parts=["a", "a", "a", "b"])
    of_subjects = Benchmark("MMLU", "mmlu", "em", ["mmlu"], counts_parts=True)
    paper = Published("a paper", None, {"mmlu": of_subjects}, [PublishedRow("BGE", {"mmlu": 0.5}, row="base")])
    assert lines(paper, mmlu=measured(subjects))["MMLU", "BGE / base encoder"].ours.value == pytest.approx(2 / 3)
    whole = row("base encoder", [1, 0, 0, 1], dataset="mmlu")
    unsorted = lines(paper, mmlu=measured(whole))["MMLU", "BGE / base encoder"]
    assert (unsorted.ours.value, unsorted.differs) == (0.5, ("LLM", "parts"))
    # Data sets: nq has 1/2, popqa 1, so the mean is 3/4 over 3 questions.
    sets = {"nq": Benchmark("NQ", "seven", "em", ["nq"]), "musique": Benchmark("MuSiQue", "seven", "em", ["musique"])}
    sets["mean"] = Benchmark("mean", "seven", "em", ["nq", "popqa"])
    seven = Published("a paper", None, sets, [PublishedRow("BGE", dict.fromkeys(sets, 0.5), row="base")])
    found = lines(seven, seven=measured(row("base encoder", [1, 0], dataset="nq"), row("base encoder", [1])))
    assert (found["mean", "BGE / base encoder"].ours.value, found["mean", "BGE / base encoder"].questions) == (0.75, 3)
    assert found["NQ", "BGE / base encoder"].ours.value == 0.5
    assert found["MuSiQue", "BGE"].ours is None  # no other data set stands for it


def test_the_table_can_be_read_as_it_is_and_by_programs():
    found = paper_lines(PAPER, {"popqa": measured(row("base encoder", [1, 1]), reader="a|b <i>Llama")})
    text = render_paper(PAPER, found)
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    overview = [
        ["retriever", "PopQA, em", "ToolBench, ndcg@5"],
        ["LLM alone", "- (0.200)", "-"],
        ["BGE-base / base encoder", "1.000 (0.400)", "- (0.600)"],
        ["AAR", "- (0.300)", "-"],
        ["LLM-Embedder", "- (0.500)", "-"],
    ]
    assert [row for row in rows if not row[-1].endswith(":")][:5] == overview
    of_ours = [row for row in rows if row[0] == "PopQA, em"]
    assert of_ours == [["PopQA, em", *overview[2][:1], "0.400", "1.000", "0.158 to 1.000", "2", "102", "3", "no: LLM"]]
    assert r"LLM of ours: a\|b \<i\>Llama." in text
    written = json.loads(json.dumps(lines_as_json(PAPER, found)))
    assert written["lines"][1]["ours"]["value"] == 1.0
    assert written["lines"][1]["comparable"] == "no: LLM"


def test_a_published_value_of_no_benchmark_is_named():
    with pytest.raises(ConfigError, match=r"paper.published.rows: expected values of \['popqa'\], got 'nq'"):
        Published("a paper", None, {"popqa": POPQA}, [PublishedRow("BGE", {"nq": 0.5})])
    with pytest.raises(ConfigError, match="each once, got 'base'"):
        Published("a paper", None, {"popqa": POPQA}, [PublishedRow("A", {}, row="base"), PublishedRow("B", {}, "base")])
