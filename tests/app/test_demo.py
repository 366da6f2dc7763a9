"""What the demo ships fits together: its settings, its cuts of data and the LLM's judgements of them."""

from pathlib import Path

import pytest

from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.data.sources import CorpusSource
from embedder.texts import question_form
from tests.entry_points import ROOT, composed

DEMO = ROOT / "demo"


def files(task, tmp_path):
    (dataset,) = CorpusSource(str(DEMO / "data"), str(tmp_path)).datasets(task)
    corpus = Corpus(dataset.file("corpus"))
    return corpus, *(list(Queries(dataset.file(split), corpus)) for split in ("train", "test"))


@pytest.mark.parametrize("entry", ["prepare", "train", "evaluate"])
def test_it_is_one_model_for_questions_and_tools_on_the_shipped_data(entry):
    config = composed(entry, "experiment=demo")
    assert list(config.tasks) == ["qa", "tool"]
    assert (ROOT / config.source.path).samefile(DEMO / "data")
    assert [task.objective.losses.contrastive.weight for task in config.tasks.values()] == [1.0, 1.0]
    assert (config.llm.dtype, config.encoder.dtype) == ("float32", "float32")  # a processor may have nothing else


@pytest.mark.parametrize(("task", "sizes"), [("qa", (639, 180, 200)), ("tool", (199, 600, 250))])
def test_no_test_query_is_a_training_query_and_all_have_gold_keys(task, sizes, tmp_path):
    corpus, train, test = files(task, tmp_path)
    assert (len(corpus), len(train), len(test)) == sizes
    assert not {question_form(query.text) for query in train} & {question_form(query.text) for query in test}
    assert all(query.positives for query in train + test)


def test_the_store_is_small_and_the_data_have_licences():
    shards = [path for path in (DEMO / "store").rglob("*") if path.is_file()]
    assert {path.parent.name for path in shards} == {"scores", "samples"}
    assert len(shards) <= 4
    assert sum(path.stat().st_size for path in shards) < 1_000_000
    told = (DEMO / "data" / "README.md").read_text(encoding="utf-8")
    folders = {str(Path(*path.relative_to(DEMO / "data").parts[:2])) for path in (DEMO / "data").rglob("*.jsonl")}
    assert folders == {"qa/popqa", "tool/metatool"}
    for folder in folders:
        line = next(line for line in told.splitlines() if line.startswith(f"| `{folder}` |"))
        assert "MIT" in line
