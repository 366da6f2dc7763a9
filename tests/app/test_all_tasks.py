"""All six tasks from data to export with tiny models, and a task of the user's own in one file."""

import json

import numpy as np
import pytest

from embedder.candidates.candidates import Candidates
from embedder.data.prepared import PreparedDataset
from embedder.data.sources import CorpusSource
from embedder.encoders.checkpoint import load_trained
from embedder.encoders.config import EncoderConfig
from embedder.errors import ConfigError, DataError
from embedder.index.faiss_index import FaissIndex
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.preparation.dense import DenseSettings
from embedder.preparation.preparation import Preparation
from embedder.preparation.reward_settings import Rewards
from embedder.preparation.validation import Validation
from embedder.rewards.reward import LikelihoodReward, MixReward, RankReward
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.training.objective import KL, Objective
from embedder.training.sampling import Sampling
from embedder.training.task import Labelling, Task
from embedder.vectors.settings import VectorSettings
from tests.entry_points import run_here

STEPS = ["logger=csv", "trainer.accelerator=cpu", "data.batch_size=2", "callbacks.plain.progress=null"]
SHORT = [
    "tasks.lrlm.consumer.top_k=1",
    "tasks.lrlm.consumer.recent=1",
]  # the tiny LLM reads 4,096 tokens of two letters


def run(entry: str, *overrides: str) -> str:
    done = run_here(entry, *overrides)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def models(bert_directory, llama_directory):
    return [f"encoder.name={bert_directory}", f"llm.name={llama_directory}", "llm.device=cpu"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, models):
    root = tmp_path_factory.mktemp("all")
    common = [
        f"paths.root={root}",
        "task_mix=all",
        *models,
        "source.settings.passages=200",
        "source.settings.questions=24",
        "prepare.max_train_queries=6",
        "llm_outputs.n_outputs=2",
        "candidates=hybrid",
        "candidates.n=3",
        "tasks.lrlm.labelling.min_reward_gap=1e-7",
    ]
    asked = ["callbacks.rag_eval.every_n_steps=7", "callbacks.rag_eval.max_answered=1", *SHORT]
    out = run("train.py", *common, *STEPS, *asked, f"hydra.run.dir={root}/train", "trainer.max_steps=7")
    return root, common, out


def records(root, task):
    (path,) = (root / "data" / "prepared" / task).glob("world-*/train.jsonl")
    return [json.loads(line) for line in path.open()]


def test_all_tasks_are_prepared_trained_and_exported(trained):
    root, _, _ = trained
    exported = load_trained(root / "train" / "export").tasks
    assert list(exported) == ["qa", "convsearch", "chat", "lrlm", "icl", "tool"]
    assert {name for name, sides in exported.items() if sides.query_keep == "end"} == {"convsearch", "chat", "lrlm"}
    header = (root / "train" / "csv" / "metrics.csv").read_text().splitlines()[0]
    assert all(f"val/{task}/world/loss" in header for task in exported)
    assert "val/chat/ndcg@10" in header
    rag = {name for name in header.split(",") if name.startswith("rag/") and name.count("/") == 2}
    assert rag >= {"rag/qa/em", "rag/icl/accuracy", "rag/chat/perplexity", "rag/lrlm/perplexity"}
    assert not rag & {"rag/lrlm/em", "rag/chat/em", "rag/icl/em"}
    assert {name.split("/")[1] for name in rag} == {"qa", "chat", "lrlm", "icl"}


def test_candidates_are_keys_that_the_query_may_be_compared_with(trained):
    root, _, _ = trained
    for row in records(root, "chat"):
        history = row["query_id"].rpartition("-")[0]
        assert {key.rpartition("/")[0] for key in row["pos_id"] + row["neg_id"]} == {history}
    for row in records(root, "lrlm"):
        document, _, chunk = row["query_id"].rpartition("/")
        keys = [key.rpartition("/") for key in row["neg_id"]]
        assert all(key[0] == document and int(key[2]) <= int(chunk) - 2 for key in keys)
        assert len(keys) == 3
    sources = {
        source for task in ("chat", "lrlm", "icl") for row in records(root, task) for source, *_ in row["neg_source"]
    }
    assert {"bm25", "dense"} <= sources


def test_each_task_is_judged_in_its_own_way(trained):
    root, _, _ = trained
    rewards, protocols = {}, {}
    for task in ("qa", "chat", "lrlm", "icl"):
        (manifest,) = (root / "data" / "prepared" / task).glob("world-*/manifest.json")
        protocols[task] = json.loads(manifest.read_text())["protocol"]
        (reward,) = manifest.parent.glob("rewards/*/reward.json")
        rewards[task] = json.loads(reward.read_text())["reward"]["class"]
    assert rewards == {
        "qa": "RankReward",
        "chat": "LikelihoodReward",
        "lrlm": "LikelihoodReward",
        "icl": "SmoothRankReward",
    }
    assert {task: some["rewards"]["n_outputs"] for task, some in protocols.items()} == {
        "qa": 2,
        "chat": 0,
        "lrlm": 0,
        "icl": 2,
    }
    assert all("files:" in some["dense"]["encoder"][0] for some in protocols.values())


def held_out(root, task):
    (path,) = (root / "data" / "prepared" / task).glob("world-*/queries.jsonl")
    return PreparedDataset(task, "world", path.parent, path).validation_queries()


def test_validation_queries_keep_what_they_may_be_compared_with_and_chosen_from(trained):
    root, _, _ = trained
    assert all(set(query.answers) <= set(query.options) for query in held_out(root, "icl"))
    for query in held_out(root, "chat"):
        history = query.id.rpartition("-")[0]
        assert query.among is not None
        assert query.among[0] == f"{history}/0"


def test_records_with_flat_rewards_are_left_out_and_counted(trained):
    root, common, _ = trained
    (directory,) = (root / "data" / "prepared" / "lrlm").glob("world-*")
    (rewards,) = (directory / "rewards").glob("*")
    values, ends = np.load(rewards / "train.npy"), np.load(rewards / "train.ends.npy")
    gaps = [float(np.ptp(some)) for some in np.split(values, ends[:-1])]
    middle = sorted(gaps)[len(gaps) // 2]
    out = run("prepare.py", *common, "task_mix=lrlm", f"tasks.lrlm.labelling.min_reward_gap={middle}")
    n_flat = sum(gap < np.float32(middle) for gap in gaps)
    assert 0 < n_flat < len(gaps)
    assert f"{n_flat} of {len(gaps)} training records have rewards that differ by less than" in out
    assert "already prepared" in out  # the records stay; only the rewards have a folder more
    (narrower,) = [folder for folder in (directory / "rewards").glob("*") if folder != rewards]
    kept = PreparedDataset("lrlm", "world", directory, directory, narrower).records("train")
    assert len(kept) == len(gaps) - n_flat
    assert all(np.ptp(np.float32(record.rewards)) >= np.float32(middle) for record in kept)
    first = next(i for i, gap in enumerate(gaps) if gap >= np.float32(middle))
    assert kept[0].id == records(root, "lrlm")[first]["query_id"]


def test_all_tasks_are_evaluated(trained):
    root, common, _ = trained
    short = [*SHORT, "llm_outputs.n_outputs=2", "consumer@tasks.tool.consumer=tool_choice"]
    rows = "rows=[random,recent,bm25,oracle]"
    run("evaluate.py", *common, f"hydra.run.dir={root}/evaluate", rows, "rag.max_answered=2", *short)
    rows = json.loads((root / "evaluate" / "scores.json").read_text())["rows"]
    assert {row["task"] for row in rows} == {"qa", "convsearch", "chat", "lrlm", "icl", "tool"}
    measured = {row["task"]: set(row["mean"]) for row in rows if row["retriever"] == "BM25"}
    assert {"em", "rank", "harm", "answer_recall@5"} <= measured["qa"]
    assert {"accuracy", "rank", "harm", "gain"} <= measured["icl"]
    assert all({"perplexity", "log_likelihood", "gain"} <= measured[task] for task in ("chat", "lrlm"))
    assert not any("log_likelihood" in measured[task] for task in ("convsearch", "tool"))
    assert "called" in measured["tool"]
    (oracle,) = (row["mean"] for row in rows if row["task"] == "tool" and row["retriever"] == "oracle")
    assert oracle["called"] == 1.0  # the labelled tool alone is shown
    assert {row["task"] for row in rows if row["retriever"] == "most recent"} == {"chat"}
    assert "lrlm" not in {row["task"] for row in rows if row["retriever"] == "oracle"}
    chat = {row["retriever"]: row["mean"] for row in rows if row["task"] == "chat"}
    assert chat["BM25"]["ndcg@10"] > chat["random"]["ndcg@10"]


def test_a_task_of_the_users_own_is_one_file(tmp_path, models):
    (tmp_path / "conf" / "task").mkdir(parents=True)
    (tmp_path / "conf" / "task" / "faq.yaml").write_text(
        """
        defaults:
          - _base
          - override /reward@labelling.reward: likelihood
          - override /objective@objective: graded
          - _self_
        name: faq
        query_instruction: "Find the entry that answers this: "
        key_instruction: "Entry: "
        key_max_length: 32
        prompt:
          _target_: embedder.data.prompts.QuestionPrompt
          examples: {_target_: embedder.data.examples.Examples, n: 1}
        labelling: {n_outputs: 0}
        """.replace("\n        ", "\n")
    )
    data = tmp_path / "data" / "faq" / "mine"
    data.mkdir(parents=True)
    keys = [{"id": f"k{i}", "text": f"thing {i} costs {i} coins"} for i in range(12)]
    queries = [
        {"query_id": f"{i}", "query": f"what does thing {i} cost?", "answers": [f"{i} coins"], "pos": [f"k{i}"]}
        for i in range(12)
    ]
    for name, rows in (("corpus", keys), ("train", queries)):
        (data / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(
        "train.py",
        f"hydra.searchpath=[file://{tmp_path}/conf]",
        "~task_mix",
        "+task@tasks.faq=faq",
        "source=corpus",
        f"source.path={tmp_path}/data",
        f"paths.root={tmp_path}/run",
        *models,
        *STEPS,
        "candidates.n=3",
        "trainer.max_steps=2",
        f"hydra.run.dir={tmp_path}/out",
    )
    sides = load_trained(tmp_path / "out" / "export").tasks
    assert {name: (some.key_instruction, some.key_max_length) for name, some in sides.items()} == {
        "faq": ("Entry: ", 32)
    }


def test_a_task_file_without_override_is_told_where_it_goes(tmp_path):
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "faq.yaml").write_text(
        "defaults: [_base, {/reward@labelling.reward: likelihood}, _self_]\nname: faq\n"
    )
    done = run_here("train.py", f"hydra.searchpath=[file://{tmp_path}]", "~task_mix", "+task@tasks.faq=faq")
    expected = "chosen twice; a file whose defaults have _base writes `override /reward@...: ...`"
    assert (done.returncode, done.stderr) == (2, f"reward@tasks.faq.labelling.reward: {expected}\n")


def test_a_data_set_without_training_queries_is_for_tests_and_a_task_of_none_is_refused(
    tmp_path, bert_directory, llama_directory, caplog
):
    for name, file in (("one", "train"), ("two", "test")):
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "corpus.jsonl").write_text('{"id": "k", "text": "t"}\n')
        (tmp_path / "mine" / name / f"{file}.jsonl").write_text('{"query_id": "1", "query": "q", "pos": ["k"]}\n')

    def datasets(path):
        source = CorpusSource(str(path), str(tmp_path))
        rewards = Rewards(HuggingFaceLanguageModel(str(llama_directory)), RankReward(), str(tmp_path))
        dense = DenseSettings(EncoderConfig(str(bert_directory), "mean"), FaissIndex, VectorSettings(str(tmp_path)))
        preparation = Preparation(source, Candidates(), Validation(0.1, 5), rewards, dense, str(tmp_path))
        return [dataset.name for _, dataset in preparation.datasets({"mine": task()})]

    caplog.set_level("INFO")
    assert datasets(tmp_path) == ["one"]
    assert "mine/two has no train.jsonl, so it is used for tests only" in caplog.text
    with pytest.raises(DataError, match="two: this data set of the task 'mine' has no train file"):
        datasets(tmp_path / "mine" / "two")


def task(**labelling):
    return Task("mine", "", "", 64, 64, Objective({"kl": KL()}), Sampling(), labelling=Labelling(**labelling))


def test_a_rank_without_competitors_is_refused(llama_directory):
    llm = HuggingFaceLanguageModel(str(llama_directory), device="cpu")
    rewards = Rewards(llm, RankReward(), "store")
    assert rewards.of_task(task()) == rewards
    own = rewards.of_task(task(reward=LikelihoodReward(), n_outputs=0, max_new_tokens=99))
    assert (own.reward, own.outputs.n_outputs, own.outputs.max_new_tokens) == (LikelihoodReward(), 0, 99)
    with pytest.raises(
        ConfigError, match=r"tasks.mine.labelling.n_outputs: expected 1 or more, since RankReward ranks"
    ):
        rewards.of_task(task(n_outputs=0))
    mix = MixReward({"a": LikelihoodReward(), "b": RankReward()}, {"a": 1.0, "b": 1.0})
    with pytest.raises(ConfigError, match=r"llm_outputs.n_outputs: .* since MixReward ranks"):
        Rewards(llm, mix, "store", outputs=OutputSettings(n_outputs=0))
    with pytest.raises(ConfigError, match=r"task.labelling.min_reward_gap"):
        Labelling(min_reward_gap=-1.0)
