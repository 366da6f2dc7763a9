"""Evaluation folders as `evaluate.py` writes them, of a few made-up numbers."""

import copy
from pathlib import Path

from embedder.results.measures import mean_of
from embedder.results.row import Row
from embedder.results.scores_file import FORMAT
from embedder.results.sealed_json import sealed

PROTOCOL = {
    "files": "70f4cc3fee5202ae",
    "queries": 4,
    "answered": 4,
    "cutoffs": [10],
    "prompt": "QuestionPrompt(Examples(n=3))",
    "llm": "gguf:b179:float32",
    "rag": {"top_k": 1, "max_answered": 48, "max_new_tokens": 12},
}
RUN = {"environment": {"python": "3.11.7", "torch": "2.13.0"}, "checkpoint": None, "encoder": {"name": "minilm"}}


def row(retriever, values, task="qa", dataset="world", **changed):
    """A row of `scores.json` from {metric: [value of q0, value of q1, ...]}."""
    per_query = {metric: {f"q{i}": value for i, value in enumerate(some)} for metric, some in values.items()}
    mean = {metric: mean_of(metric, some) for metric, some in values.items()}
    return {
        "task": task,
        "dataset": dataset,
        "retriever": retriever,
        "mean": mean,
        "per_query": per_query,
        "protocol": copy.deepcopy(PROTOCOL) | changed,
    }


def made_row(retriever, values, task="qa", dataset="world", **changed):
    """The same as it is in memory."""
    written = row(retriever, values, task, dataset, **changed)
    return Row(task, dataset, retriever, written["per_query"], written["protocol"])


def write(directory: Path, rows, run=RUN, queries=None) -> Path:
    """A folder."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = [{"parts": {}, "macro": []} | row for row in rows]
    scores = sealed({"format": FORMAT, "protocol": run, "rows": rows})
    (directory / "scores.json").write_text(scores, encoding="utf-8")
    if queries is not None:
        (directory / "queries.jsonl").write_text("".join(sealed(line) + "\n" for line in queries), encoding="utf-8")
    return directory


def line(retriever, query_id, query, keys=(), output=None, task="qa", dataset="world", **more):
    """A line of `queries.jsonl`."""
    return {
        "task": task,
        "dataset": dataset,
        "retriever": retriever,
        "query_id": query_id,
        "query": query,
        "answers": ["1285"],
        "gold": ["k1"],
        "keys": [{"id": key_id, "score": 0.5, "text": text} for key_id, text in keys],
        "output": output,
        "steps": [],
        "scores": {},
    } | more
