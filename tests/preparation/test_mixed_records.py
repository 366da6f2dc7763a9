"""Data with labels for some queries and answers for others, judged within a budget and made into batches."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from embedder.candidates.candidates import Candidates
from embedder.data.prepared import PreparedDataset
from embedder.data.prompts import QuestionPrompt
from embedder.data.sources import CorpusSource
from embedder.encoders.config import EncoderConfig
from embedder.errors import ConfigError, DataError
from embedder.index.faiss_index import FaissIndex
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.preparation.dense import DenseSettings
from embedder.preparation.estimate import EstimateRun
from embedder.preparation.preparation import Preparation
from embedder.preparation.prepare import PrepareRun, prepare
from embedder.preparation.reward_settings import Rewards
from embedder.preparation.validation import Validation
from embedder.processes import ALONE
from embedder.rewards.reward import LikelihoodReward
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.training.budget import Budget
from embedder.training.objective import Contrastive, Graded, Objective
from embedder.training.plan import BatchPlan
from embedder.training.sampling import Sampling
from embedder.training.steps import StepBatches
from embedder.training.task import Labelling, Task
from embedder.vectors.settings import VectorSettings
from tests.rewards.test_engine import CountingModel
from tests.training.test_masked_losses import module

N = 48
TASK = Task(
    "qa",
    "",
    "",
    64,
    64,
    Objective({"graded": Graded(), "contrastive": Contrastive()}),
    Sampling(group_size=3),
    prompt=QuestionPrompt(),
)


@pytest.fixture
def data(tmp_path):
    """A quarter each of queries with answers and labels, answers alone, labels alone, neither."""
    folder = tmp_path / "mine"
    folder.mkdir()
    keys = [{"id": f"k{i}", "text": f"thing {i} costs {i} coins"} for i in range(N)]
    rows = [{"query_id": f"{i}", "query": f"the price of thing {i}"} for i in range(N)]
    for i, row in enumerate(rows):
        row |= {"answers": [f"{i} coins"]} if i % 4 < 2 else {}
        row |= {"pos": [f"k{i}"]} if i % 2 == 0 else {}
    for name, some in (("corpus", keys), ("train", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    return folder


@pytest.fixture
def make(data, tmp_path, bert_directory, llama_directory):
    llm = CountingModel(HuggingFaceLanguageModel(str(llama_directory), device="cpu"))
    dense = DenseSettings(EncoderConfig(str(bert_directory), "mean"), FaissIndex, VectorSettings(str(tmp_path)))

    def preparation(**budget):
        outputs = OutputSettings(n_outputs=0, max_new_tokens=3)
        rewards = Rewards(llm, LikelihoodReward(), str(tmp_path / "store"), outputs=outputs, budget=Budget(**budget))
        source = CorpusSource(str(data), str(tmp_path / "converted"))
        return Preparation(source, Candidates(n=3), Validation(0.2, 6), rewards, dense, str(tmp_path / "prepared"))

    return preparation, llm


def kinds(dataset: PreparedDataset, split: str = "train") -> Counter:
    return Counter((bool(record.positives), record.rewards is not None) for record in dataset.records(split))


def test_records_of_all_kinds_are_written_and_counted(make, bert_directory):
    preparation, llm = make
    (dataset,) = prepare({"qa": TASK}, preparation(queries=10))
    counts = dataset.manifest()["counts"]
    found = kinds(dataset) + kinds(dataset, "validation")
    assert sum(n for (_, judged), n in found.items() if judged) == counts["judged"] == 10
    assert sum(n for (labelled, _), n in found.items() if labelled) == counts["labelled"] == N / 2
    assert (False, False) not in found
    assert counts["train"] + counts["validation"] + counts["skipped"] == N
    assert sum(dataset.manifest()["labelling"]["left_out"].values()) == counts["skipped"]
    judged = {prompt for prompt, _ in llm.scored if "Knowledge" not in prompt}
    assert len(judged) == 10
    for record in dataset.records("train"):
        assert record.rewards is None or len(record.rewards) == len(record.positives) + len(record.negatives)

    # A batch of all of them, in the data set's own order, has both losses.
    records = dataset.records("train")
    plan = BatchPlan([len(records)], [1.0], len(records), seed=0)
    one = module(bert_directory, TASK.objective.losses)
    batches = StepBatches(plan, [records], [dataset], {"qa": TASK}, one.encoder.tokenize, 0, ALONE, {})
    one.training_step(batches[0], 0)
    of_kind = kinds(dataset)
    assert one.step_values["train/qa/records_graded"] == [of_kind[True, True] + of_kind[False, True]]
    assert one.step_values["train/qa/records_contrastive"] == [of_kind[True, True] + of_kind[True, False]]


def test_a_record_whose_rewards_hardly_differ_trains_on_its_labels(make):
    preparation, _ = make
    (before,) = prepare({"qa": TASK}, preparation())
    gaps = sorted(max(r.rewards) - min(r.rewards) for r in before.records("train") if r.rewards is not None)
    task = replace(TASK, labelling=Labelling(min_reward_gap=gaps[len(gaps) // 2]))
    (dataset,) = prepare({"qa": task}, preparation())
    assert dataset.directory == before.directory  # the same records; only their rewards are others
    was, now = kinds(before), kinds(dataset)
    flat = len([gap for gap in gaps if gap < task.labelling.min_reward_gap])
    assert now[True, True] + now[False, True] == len(gaps) - flat
    assert now[True, False] == was[True, False] + was[True, True] - now[True, True] > was[True, False]
    assert sum(now.values()) == sum(was.values()) - (was[False, True] - now[False, True])


def test_an_open_budget_ends_and_a_killed_run_spends_what_is_left(make, tmp_path):
    preparation, llm = make
    whole = preparation(queries=N)
    (full,) = prepare({"qa": TASK}, whole)
    assert full.manifest()["counts"]["judged"] == N / 2
    # Everything is in the store now and costs nothing: the budget is not touched.
    (free,) = prepare({"qa": TASK}, preparation(tokens=1))
    assert free.manifest()["counts"]["judged"] == N / 2
    for path in (tmp_path / "store").rglob("*.parquet"):
        path.unlink()
    limited, before = preparation(tokens=100), llm.tokens_run

    class StoppedError(Exception):
        pass

    ask, calls = llm.score, []

    def stop_once(prompts, outputs):
        calls.append(len(prompts))
        if len(calls) == 1:
            raise StoppedError
        return ask(prompts, outputs)

    llm.score = stop_once
    with pytest.raises(StoppedError):
        prepare({"qa": TASK}, limited)
    llm.score = ask
    (dataset,) = prepare({"qa": TASK}, limited)
    judged = dataset.manifest()["counts"]["judged"]
    assert judged == 16  # looked at after every 16 queries
    assert llm.tokens_run - before >= 100
    ran = llm.tokens_run
    assert prepare({"qa": TASK}, limited)[0].directory == dataset.directory
    assert llm.tokens_run == ran
    with pytest.raises(ConfigError, match=r"prepare\.rewards\.budget: expected queries alone"):
        PrepareRun({"qa": TASK}, limited, shard="1/2").run()
    ledger = dataset.directory.with_name(f".{dataset.directory.name}.spent.json")
    ledger.write_text("[]")
    dataset.directory.rename(tmp_path / "away")
    with pytest.raises(DataError, match=r"spent\.json: damaged, not what an earlier run wrote"):
        prepare({"qa": TASK}, limited)


def test_the_estimate_knows_the_budget(make, caplog):
    preparation, _ = make
    caplog.set_level("INFO")
    (estimated,) = EstimateRun({"qa": TASK}, preparation(queries=20), probed=2).run()
    assert estimated.counts.queries == 20
    EstimateRun({"qa": TASK}, preparation(tokens=500), probed=2).run()
    assert "budget its tokens end after about" in caplog.text


def test_labels_without_answers_train_and_cost_nothing(make, data, caplog):
    rows = [json.loads(line) for line in (data / "train.jsonl").read_text().splitlines()]
    labelled = [{name: row[name] for name in ("query_id", "query", "pos")} for row in rows if "pos" in row]
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labelled))
    preparation, llm = make
    caplog.set_level("INFO")
    EstimateRun({"qa": TASK}, preparation()).run()
    assert "qa/mine: no query has an answer to judge by" in caplog.text
    (dataset,) = prepare({"qa": TASK}, preparation())
    assert set(kinds(dataset)) == {(True, False)}
    assert llm.scored == []
