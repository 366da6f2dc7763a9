"""Hostile text in names, fields, settings and data, through the real commands: nothing of it acts where it is shown."""

import json
import re

import pytest

from embedder.data.sources import Dataset
from embedder.errors import ConfigError
from embedder.training.task import Task
from tests.entry_points import run_here

ESCAPES = "\x1b[31m\x1b]0;owned\a \u202etxt.exe \x9b2J"
NAME = f"a|b `c` <img src=x onerror=alert(1)> [red]{ESCAPES}\n[2026-01-01 00:00:00][x][INFO] - all is well"
MARKUP = f"<script>alert(1)</script> | cell | `code` [red]x[/red] {ESCAPES}\n# heading\n"
FLOOD = "y" * 300_000
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, bert_directory, llama_directory):
    """A data set with hostile text wherever it may have text, and the settings that read it."""
    root = tmp_path_factory.mktemp("hostile")
    directory = root / "data" / "qa" / NAME
    texts = [MARKUP, FLOOD, ESCAPES, *(f"{MARKUP} harbour {n} was built in {1700 + n}" for n in range(12))]
    write(directory / "corpus.jsonl", [{"id": f"{n} {MARKUP}", "text": text} for n, text in enumerate(texts)])
    queries = [
        {"query_id": f"q{n} {MARKUP}", "query": f"When was harbour {n} built? {MARKUP}", "answers": [f"{MARKUP} {n}"]}
        | {"pos": [f"{n + 3} {MARKUP}"]}
        for n in range(12)
    ]
    write(directory / "train.jsonl", queries[:8])
    write(directory / "test.jsonl", queries[8:])
    settings = [
        "source=corpus",
        f"source.path={root / 'data'}",
        f"paths.root={root / 'root'}",
        f"encoder.name={bert_directory}",
        f"llm.name={llama_directory}",
        "llm.device=cpu",
    ]
    return root, settings


def assert_harmless(text, *, lines=True):
    assert not RAW.search(text), repr(RAW.search(text))
    if lines:  # of a log or a terminal: no line of it poses as a record
        assert not re.search(r"^\[2026-01-01", text, re.MULTILINE)


def log_of(folder):
    return "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.log"))


def test_evaluation_comparison_and_page(hostile):
    root, settings = hostile
    out = root / "evaluation"
    rows = ["rows=[none,random,bm25]", "rag.max_answered=2", f"hydra.run.dir={out}"]
    done = run_here("evaluate.py", *settings, *rows)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    compared = run_here(
        "evaluate.py",
        "action=compare",
        f"runs=[{out}]",
        "baseline=random",
        "rows=[bm25]",
        f"paths.root={root / 'root'}",
        f"hydra.run.dir={root / 'comparison'}",
    )
    assert compared.returncode == 0, compared.stdout[-3000:] + compared.stderr[-3000:]
    for text in (done.stdout, done.stderr, compared.stdout, compared.stderr, log_of(out), log_of(root / "comparison")):
        assert_harmless(text)
        assert len(text) < 60_000
    for table in ((out / "table.md"), (root / "comparison" / "compare.md")):
        text = table.read_text(encoding="utf-8")
        assert_harmless(text)
        assert not re.search(r"(?<!\\)<(img|script)", text)
        cells = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")]
        assert len(set(cells[:5])) == 1, cells
        assert not re.search("^# heading", text, re.MULTILINE)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert_harmless(page, lines=False)
    assert not re.search("<script>alert|<img", page)
    assert len(page) < 1_000_000


def test_names_of_data_sets_can_be_names_of_metrics():
    assert_harmless(Dataset("qa", NAME).name)
    assert Dataset("qa", "nq_open-2.1 (Übung)").name == "nq_open-2.1 (Übung)"
    with pytest.raises(ConfigError, match=r"tasks\.NAME\.name: expected a short name"):
        Task(NAME, "", "", 8, 8, None, None)


def test_preparation(hostile):
    root, settings = hostile
    small = [
        "llm_outputs.n_outputs=1",
        "llm_outputs.max_new_tokens=2",
        "candidates.n=3",
        "prepare.max_train_queries=4",
    ]
    done = run_here("prepare.py", *settings, *small, f"hydra.run.dir={root / 'preparation'}")
    for text in (done.stdout, done.stderr, log_of(root / "preparation")):
        assert_harmless(text)
        assert len(text) < 10_000
    assert done.returncode in (0, 2), done.stdout  # the flood may be too long for the LLM


@pytest.mark.parametrize(
    "row",
    [
        {"query_id": "q", "query": "a", "answers": MARKUP, "pos": ["0"]},
        {"query_id": "q", "query": "a", "answers": ["b"], "pos": [FLOOD]},
        {"query_id": MARKUP, "query": "a", "answers": ["b"], "pos": [MARKUP]},
        {"query_id": "q", "query": [FLOOD], "answers": ["b"]},
        {"query_id": "q", MARKUP: 1, "quary": FLOOD},
        [MARKUP, FLOOD],
    ],
)
def test_an_error_about_a_hostile_line_is_one_harmless_line(tmp_path, bert_directory, row):
    directory = tmp_path / "data" / "qa" / NAME
    write(directory / "corpus.jsonl", [{"id": "0", "text": "a"}, {"id": "1", "text": "b"}])
    write(directory / "train.jsonl", [row])
    write(directory / "test.jsonl", [row])
    done = run_here(
        "evaluate.py",
        "source=corpus",
        f"source.path={tmp_path / 'data'}",
        f"encoder.name={bert_directory}",
        "rows=[bm25]",
        "run.rag_enabled=false",
        f"hydra.run.dir={tmp_path / 'out'}",
        f"paths.root={tmp_path / 'root'}",
    )
    told = done.stdout + done.stderr
    assert done.returncode == 2
    assert "test.jsonl:1: " in told
    assert_harmless(told)
    assert len(told) < 5000


@pytest.mark.parametrize(
    "setting",
    ["source.path", "encoder.name", "rows", "reward", "no.such.setting"],
)
def test_an_error_about_a_hostile_setting_is_harmless(tmp_path, setting):
    value = f'"{ESCAPES} <script> [red] {FLOOD[:100_000]}"'
    done = run_here(
        "evaluate.py", "source=corpus", f"{setting}={value}", f"hydra.run.dir={tmp_path}", f"paths.root={tmp_path}"
    )
    told = done.stdout + done.stderr
    assert done.returncode == 2
    assert_harmless(told)
    assert len(told) < 10_000
