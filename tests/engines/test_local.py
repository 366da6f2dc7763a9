"""Labelling processes of one machine, and those of torchrun: the records are those of a single process."""

import filecmp
import json
import weakref
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from embedder.candidates.candidates import Candidates
from embedder.data.examples import Examples
from embedder.data.prompts import QuestionPrompt
from embedder.data.sources import CorpusSource
from embedder.encoders.config import EncoderConfig
from embedder.engines.local import LocalEngine
from embedder.index.faiss_index import FaissIndex
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.preparation.dense import DenseSettings
from embedder.preparation.preparation import Preparation
from embedder.preparation.prepare import prepare
from embedder.preparation.reward_settings import Rewards
from embedder.preparation.validation import Validation
from embedder.rewards.reward import RankReward
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.training.objective import Graded, Objective
from embedder.training.sampling import Sampling
from embedder.training.task import Task

N = 40
TASK = Task("qa", "", "", 64, 64, Objective({"graded": Graded()}), Sampling(), prompt=QuestionPrompt(Examples(n=1)))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "mine"
    folder.mkdir()
    keys = [{"id": f"k{i}", "text": f"thing {i} costs {i} coins"} for i in range(N)]
    rows = [
        {"query_id": f"{i}", "query": f"the price of thing {i % 36}", "answers": [f"{i % 36} coins"], "pos": [f"k{i}"]}
        for i in range(N)  # some come twice, and share prompts
    ]
    for name, some in (("corpus", keys), ("train", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    return folder


def preparation_of(data: Path, root: Path, llama: Path, device: str = "auto") -> Preparation:
    rewards = Rewards(
        HuggingFaceLanguageModel(str(llama), device=device),
        RankReward(),
        str(root / "store"),
        outputs=OutputSettings(n_outputs=2, max_new_tokens=3),
    )
    source, dense = CorpusSource(str(data), str(root / "converted")), DenseSettings(EncoderConfig("none"), FaissIndex)
    return Preparation(source, Candidates(n=3), Validation(0.2, 6), rewards, dense, str(root / "prepared"))


@pytest.fixture(scope="module")
def alone(data, llama_directory):
    (dataset,) = prepare({"qa": TASK}, preparation_of(data, data.parent / "alone", llama_directory))
    return dataset.directory


def assert_same_records(directory: Path, other: Path) -> None:
    names = [path.name for path in directory.iterdir() if path.is_file() and path.name != "manifest.json"]
    assert {"train.jsonl", "validation.jsonl", "train.scores.arrow", "validation.scores.arrow"} < set(names)
    assert filecmp.cmpfiles(directory, other, names, shallow=False)[0] == names


def addresses(store: Path) -> list[bytes]:
    return [a for path in (store / "scores").glob("*.parquet") for a in pq.read_table(path)["address"].to_pylist()]


def test_two_processes_share_the_queries_and_none_is_asked_twice(data, llama_directory, alone, tmp_path, caplog):
    caplog.set_level("INFO")
    preparation = preparation_of(data, tmp_path, llama_directory)
    (dataset,) = prepare({"qa": TASK}, preparation, LocalEngine(2))
    assert_same_records(dataset.directory, alone)
    assert preparation.rewards.language_model.tokens_run == 0  # the writer reads the store alone
    assert "2 processes label qa/mine" in caplog.text
    stored = addresses(tmp_path / "store")
    assert len(stored) == len(set(stored)) == len(set(addresses(data.parent / "alone" / "store")))


def test_what_labelled_gives_its_memory_back(data, llama_directory, tmp_path):
    preparation = preparation_of(data, tmp_path, llama_directory)
    weights = weakref.ref(preparation.rewards.language_model._local.model)
    prepare({"qa": TASK}, preparation)
    assert weights() is not None
    preparation.release()
    assert weights() is None
    assert preparation.rewards.language_model.generate(["Q:"], 1)  # loaded again
