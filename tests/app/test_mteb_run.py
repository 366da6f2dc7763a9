"""The library mteb evaluates our encoder, with its instructions, on small tasks of its own kind."""

import builtins
import json
from statistics import fmean

import numpy as np
import pytest

from embedder.app.mteb_run import MtebEncoder, MtebRun, score
from embedder.data.corpus import Corpus
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.errors import ConfigError, MissingExtraError
from embedder.index.faiss_index import FaissIndex
from embedder.retrieval.retrieval import retrieval_scores
from embedder.retrieval.retrievers import DenseRetriever
from embedder.training.objective import Objective
from embedder.training.sampling import Sampling
from embedder.training.task import Task
from embedder.types import Query, Reading, TaskSides
from tests.stored import stored

pytest.importorskip("mteb")

SIDES = TaskSides("Find the place: ", "A place: ", 24, 32)
TOWERS = [
    f"The tower of {name} stands by the {sea}." for name in ("Oru", "Bel", "Ran", "Tol") for sea in ("sea", "lake")
]
QUESTIONS = [f"Which tower stands by the {sea} at {name}?" for name in ("Oru", "Ran", "Tol") for sea in ("sea", "lake")]
GOLD = ["d0", "d1", "d4", "d5", "d6", "d7"]


@pytest.fixture(scope="module")
def encoder(bert_directory):
    return TextEncoder(EncoderConfig(str(bert_directory), "mean"))


@pytest.fixture(scope="module")
def retrieval_task():
    from datasets import Dataset
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    class Towers(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="Towers",
            type="Retrieval",
            main_score="ndcg_at_10",
            description="Which tower.",
            dataset={"path": "local", "revision": "1"},
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
        )

        def load_data(self, num_proc=None, **kwargs):
            split = {
                "corpus": Dataset.from_list(
                    [{"id": f"d{n}", "title": "", "text": text} for n, text in enumerate(TOWERS)]
                ),
                "queries": Dataset.from_list([{"id": f"q{n}", "text": text} for n, text in enumerate(QUESTIONS)]),
                "relevant_docs": {f"q{n}": {gold: 1} for n, gold in enumerate(GOLD)},
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return Towers()


def test_mteb_and_our_own_evaluation_agree_on_the_same_data(encoder, retrieval_task, tmp_path):
    found = score(MtebEncoder(encoder, SIDES, "embedder/tiny"), [retrieval_task])["Towers"]
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"id": f"d{n}", "text": text}) + "\n" for n, text in enumerate(TOWERS)))
    retriever = DenseRetriever(stored(encoder, tmp_path), FaissIndex, SIDES)
    retriever.fit(Corpus(path))
    queries = [Query(f"q{n}", text, positives=(GOLD[n],)) for n, text in enumerate(QUESTIONS)]
    ours = retrieval_scores(queries, retriever.retrieve(queries, 10), [1, 10])
    (test,) = found["scores"]["test"]
    assert found["main_score"] == pytest.approx(fmean(ours["ndcg@10"].values()), abs=1e-4)
    assert test["recall_at_1"] == pytest.approx(fmean(ours["recall@1"].values()), abs=1e-4)


def test_documents_are_encoded_as_keys_and_all_else_as_queries(encoder):
    ours = MtebEncoder(encoder, SIDES, "embedder/tiny")
    batches = [{"text": TOWERS[:2]}, {"text": TOWERS[2:3]}]
    keys = encoder.encode(TOWERS[:3], Reading("key", SIDES.key_instruction, 32))
    queries = encoder.encode(TOWERS[:3], Reading("query", SIDES.query_instruction, 24))
    np.testing.assert_allclose(ours.encode(batches, prompt_type="document"), keys, atol=1e-6)
    np.testing.assert_allclose(ours.encode(batches, prompt_type="query"), queries, atol=1e-6)
    np.testing.assert_allclose(ours.encode(batches), queries, atol=1e-6)
    assert ours.similarity(keys, keys).diagonal().tolist() == pytest.approx([1.0] * 3)
    assert not np.allclose(keys, queries, atol=1e-3)


def mteb_run(bert_directory, tmp_path, **settings):
    task = Task("qa", "find: ", "key: ", 24, 32, Objective(), Sampling(2, 1))
    settings = {"names": ["SciFact"], **settings}
    return MtebRun({"qa": task}, encoder=EncoderConfig(str(bert_directory)), output_dir=str(tmp_path), **settings)


@pytest.mark.slow  # importing the thousand tasks of mteb takes seconds
def test_wrong_names_are_answered_with_names_alike(bert_directory, tmp_path):
    with pytest.raises(ConfigError, match=r"run\.names: expected names of MTEB tasks \(.*SciFact.*\), got 'SciFacts'"):
        mteb_run(bert_directory, tmp_path, names=["SciFacts"]).run()
    with pytest.raises(ConfigError, match=r"run\.benchmark: expected the name of an MTEB benchmark"):
        mteb_run(bert_directory, tmp_path, benchmark="MTEB(nowhere)").run()
    with pytest.raises(ConfigError, match=r"run\.names: expected names of MTEB tasks, or run\.benchmark, got \[\]"):
        mteb_run(bert_directory, tmp_path, names=[])


def test_the_missing_library_is_named_with_its_command(bert_directory, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **named):
        if name == "mteb":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        MissingExtraError, match=r"action=mteb needs the package 'mteb'.*pip install 'embedder-llm\[mteb\]'"
    ):
        mteb_run(bert_directory, tmp_path).run()
