"""A data set, how it is prepared, and its records as a single process writes them."""

import json
from pathlib import Path

import pytest

from embedder.candidates.candidates import Candidates
from embedder.data.examples import Examples
from embedder.data.prompts import QuestionPrompt
from embedder.data.sources import CorpusSource
from embedder.encoders.config import EncoderConfig
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
from embedder.vectors.settings import VectorSettings

N = 40
TASK = Task(
    "qa",
    "",
    "",
    64,
    64,
    Objective({"graded": Graded()}),
    Sampling(),
    prompt=QuestionPrompt(Examples(n=1)),
)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder with a data set."""
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


@pytest.fixture(scope="session")
def make(data, llama_directory, bert_directory):
    """Its preparation, with a store and records below a folder."""

    def preparation(root: Path, device: str = "auto", source: str = "bm25", **settings) -> Preparation:
        outputs = OutputSettings(n_outputs=2, max_new_tokens=3)
        llm = HuggingFaceLanguageModel(str(llama_directory), device=device)
        rewards = Rewards(llm, RankReward(), str(root / "store"), outputs=outputs, **settings)
        vectors = VectorSettings(str(root / "vectors"), shard_size=8)
        dense = DenseSettings(EncoderConfig(str(bert_directory), "mean"), FaissIndex, vectors)
        candidates, files = Candidates(n=3, sources=(source,)), CorpusSource(str(data), str(root / "made"))
        return Preparation(files, candidates, Validation(0.2, 6), rewards, dense, str(root / "prepared"))

    return preparation


@pytest.fixture(scope="session")
def alone(make, data):
    """The records that a single process writes."""
    (dataset,) = prepare({"qa": TASK}, make(data.parent / "alone"))
    return dataset.directory
