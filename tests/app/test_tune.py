"""From data to a verdict with real, tiny models, killed on the way."""

import json

import pytest

from embedder.encoders.checkpoint import load_trained
from tests.entry_points import run_here


@pytest.fixture
def command(tmp_path, bert_directory, llama_directory):
    return [
        *("experiment=tune", f"paths.root={tmp_path}", f"hydra.run.dir={tmp_path}/run", "logger=csv"),
        *("source=world", "source.settings.passages=200", "source.settings.questions=40"),
        *(f"encoder.name={bert_directory}", f"llm.name={llama_directory}", "llm.device=cpu", "trainer.accelerator=cpu"),
        *("llm_outputs.n_outputs=2", "candidates.n=3", "data.batch_size=4", "callbacks.plain.progress=null"),
        *("steps.epochs=1", "steps.least=4", "steps.validations=2", "tasks.qa.consumer.max_new_tokens=4"),
    ]


def test_questions_of_the_source_become_a_verdict_and_an_encoder(command, tmp_path):
    done = run_here("train.py", *command)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    run = tmp_path / "run"
    verdict = json.loads((run / "verdict.json").read_text())
    assert verdict["answers"]["queries"] == verdict["retrieval"]["queries"] == 10
    assert (run / "verdict.md").read_text().startswith("# Verdict\n\nYour LLM answers ")
    assert (run / "evaluation" / "report.html").is_file()
    assert "30 training questions in batches of 4: 8 steps" in done.stdout  # 30 / 4 = 7.5
    kept, tuned = load_trained(run / "export"), load_trained(run / "export-tuned")
    assert tuned.tasks["qa"].query_instruction == "Represent this query for retrieving relevant documents: "
    assert (kept.tasks == tuned.tasks) == (verdict["kept"] == "tuned")
