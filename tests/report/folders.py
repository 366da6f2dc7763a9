"""Evaluation folders for the tests: one of the real evaluation, and written ones with known scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embedder.results.scores_file import FORMAT
from embedder.results.sealed_json import sealed

ROOT = Path(__file__).parents[2]

Scores = Mapping[str, Mapping[str, float]]
"""Metric -> query id -> value."""


def row(retriever: str, per_query: Scores, task: str = "qa", dataset: str = "world", **protocol: Any) -> dict[str, Any]:
    """A row with its means."""
    mean = {metric: sum(values.values()) / len(values) for metric, values in per_query.items()}
    return {
        "task": task,
        "dataset": dataset,
        "retriever": retriever,
        "mean": mean,
        "per_query": per_query,
        "protocol": {"queries": 3, "prompt": "QuestionPrompt()", **protocol},
    }


def line(retriever: str, query_id: str, **fields: Any) -> dict[str, Any]:
    """A line of `queries.jsonl`."""
    plain = {
        "query": f"What is {query_id}?",
        "answers": ["it"],
        "gold": ["g"],
        "keys": [],
        "output": None,
        "steps": [],
        "scores": {},
    }
    return {"task": "qa", "dataset": "world", "retriever": retriever, "query_id": query_id} | plain | fields


def write_folder(folder: Path, rows: Sequence[Any], lines: Sequence[Any] | None = None, **fields: Any) -> Path:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"parts": {}, "macro": []} | row for row in rows]
    scores = {"format": FORMAT, "protocol": {"environment": {"commit": "abc1234"}}, "rows": rows} | fields
    (folder / "scores.json").write_text(sealed(scores), encoding="utf-8")
    if lines is not None:
        (folder / "queries.jsonl").write_text("".join(sealed(one) + "\n" for one in lines), encoding="utf-8")
    return folder


def evaluate_the_world(folder: Path, encoder: Path, llm: Path) -> Path:
    """Run the real evaluation on a small world with tiny models, in this process."""
    from hydra import compose, initialize_config_dir  # here, since most tests need neither these nor torch
    from hydra.utils import instantiate

    overrides = [
        f"paths.root={folder}",
        f"paths.output_dir={folder}",
        "source.settings.passages=200",
        "source.settings.questions=60",
        f"encoder.name={encoder}",
        f"llm.name={llm}",
        "llm.device=cpu",
        "rows=[none,random,bm25]",
        "rag.max_answered=6",
    ]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        run = instantiate(compose("evaluate", overrides=overrides).run, _convert_="all")
    run.run()
    return folder
