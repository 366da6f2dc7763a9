"""New candidates judged by a real, small LLM in real, small runs, compared with rewards computed without any store."""

import itertools
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import lightning as L
import numpy as np
import pytest
import torch

from embedder.callbacks.judging import Judging
from embedder.callbacks.mining import MinedDataset
from embedder.candidates.candidates import Candidates
from embedder.data.examples import Examples
from embedder.data.prompts import QuestionPrompt
from embedder.data.sources import CorpusSource
from embedder.encoders.config import EncoderConfig
from embedder.errors import ConfigError
from embedder.index.faiss_index import FaissIndex
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.preparation.dense import DenseSettings
from embedder.preparation.preparation import Preparation
from embedder.preparation.prepare import prepare
from embedder.preparation.record_judge import RecordJudges, check_rejudged
from embedder.preparation.reward_settings import Rewards
from embedder.preparation.validation import Validation
from embedder.processes import Processes
from embedder.rewards.early_stop import EarlyStop
from embedder.rewards.listwise import ListwiseReward
from embedder.rewards.reward import LikelihoodReward, RankReward
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.training.objective import Contrastive, Graded, Objective
from embedder.training.sampling import Sampling
from embedder.training.shared_work import SharedWork
from embedder.training.task import Labelling, Task
from embedder.types import Candidate
from embedder.vectors.settings import VectorSettings
from tests.callbacks.test_reindex import SETTINGS, WORDS, N, fit, rows

PROMPT = QuestionPrompt(Examples(n=1))
TASK = Task("qa", "find: ", "", 64, 64, Objective({"graded": Graded()}), Sampling(group_size=4), prompt=PROMPT)
OUTPUTS = OutputSettings(n_outputs=3, max_new_tokens=4)
JUDGED = replace(SETTINGS, candidates=Candidates(n=N + 1, max_gold=1, sources=("dense",)))


class Counted(HuggingFaceLanguageModel):
    """Notes every prompt that the LLM scores outputs after."""

    def score(self, prompts, outputs):
        self.__dict__.setdefault("scored", []).extend(prompts)
        self.__dict__.setdefault("calls", []).append(list(prompts))
        return super().score(prompts, outputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 keys; every second question has a gold key, the others have answers alone."""
    path = tmp_path_factory.mktemp("files") / "qa" / "small"
    path.mkdir(parents=True)
    keys = [{"id": f"k{i}", "text": f"{WORDS[i % 8]} {WORDS[i // 8]} number {i * 37 % 101}"} for i in range(40)]
    questions = [
        {"query_id": f"q{i}", "query": f"what {WORDS[i % 8]} is {i}", "answers": [f"{i * 37 % 101}"]}
        | ({"pos": [f"k{i}"]} if i % 2 else {})
        for i in range(16)
    ]
    for name, lines in (("corpus", keys), ("train", questions)):
        (path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path.parent.parent


@pytest.fixture
def preparation(folder, llama_directory, bert_directory, tmp_path):
    def make(**settings):
        llm = Counted(str(llama_directory), device="cpu")
        rewards = Rewards(**{"language_model": llm, "reward": RankReward(), "outputs": OUTPUTS} | settings)
        encoder, vectors = EncoderConfig(name=str(bert_directory), pooling="mean"), VectorSettings(str(tmp_path / "v"))
        dense = DenseSettings(encoder, FaissIndex, vectors=vectors)
        source, validation = CorpusSource(str(folder), str(tmp_path / "converted")), Validation(0.2, 10)
        candidates = Candidates(n=4, max_gold=2)
        return Preparation(source, candidates, validation, rewards, dense, str(tmp_path / "prepared"))

    return lambda **settings: make(**{"store": str(tmp_path / "store")} | settings)


def judged_run(preparation, bert_directory, directory, task=TASK, settings=JUDGED, **more):
    """Five steps, new candidates after three."""
    (dataset,) = prepare({"qa": task}, preparation)
    llm = preparation.rewards.language_model
    already = list(llm.__dict__.get("scored", ()))
    llm.__dict__["scored"] = []

    def judge(dataset):
        return RecordJudges(preparation, {"qa": task})(dataset)

    options = {"steps": 5, "lr": 1e-3} | more
    module, callback, *_ = fit(dataset, bert_directory, directory, settings, task, judge=judge, **options)
    (fresh,) = callback._now.values()
    records = dataset.records("train")
    before, after = list(records), [fresh.of(k, record) for k, record in enumerate(records)]
    return dataset, before, after, (already, llm.scored), module


def by_hand(preparation, task, dataset, record, reward="rank"):
    """Rewards of a record's candidates, each output scored alone by the LLM; competitors are the stored ones."""
    ((own, source),) = preparation.datasets({"qa": task})
    job = preparation.job(own, source)
    judge = preparation.judge(job)
    query = next(query for query in dataset.train_queries() if query.id == record.id)
    (outputs,) = judge._engine._stored_outputs([judge.request(query, ())])
    llm = HuggingFaceLanguageModel(preparation.rewards.language_model.name, device="cpu")

    def mean(prompt, output):
        ((score,),) = llm.score([prompt], [[output]])
        return score.sum_logprob / score.n_tokens

    def of(prompt):
        best = max(mean(prompt, answer) for answer in outputs.answers)
        return best if reward == "likelihood" else 1 + sum(mean(prompt, c) > best for c in outputs.competitors)

    without = of(job.prompt.render(query.text))
    keys = (*record.positives, *record.negatives)
    withs = [of(job.prompt.render(query.text, [key.text])) for key in keys]
    return [value - without if reward == "likelihood" else without - value for value in withs]


@pytest.mark.parametrize(("reward", "name"), [(RankReward(), "rank"), (LikelihoodReward(), "likelihood")])
def test_rewards_of_new_candidates_are_on_the_scale_of_the_old(preparation, bert_directory, tmp_path, reward, name):
    made = preparation(reward=reward)
    dataset, before, after, (already, asked), _ = judged_run(made, bert_directory, tmp_path)
    assert [record.rewards for record in after] != [record.rewards for record in before]
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        assert new.positives == old.positives
        assert k > 3 or new.rewards == pytest.approx(by_hand(made, TASK, dataset, new, name), abs=1e-4)
        best = max(range(len(old.rewards)), key=old.rewards.__getitem__)
        kept = {key.text for key in (*new.positives, *new.negatives)}
        assert (*old.positives, *old.negatives)[best].text in kept
    assert "model" not in vars(made.rewards.language_model._local), "its memory is given back"
    assert asked, "the LLM was asked for what it had not judged"
    assert not set(asked) & set(already), "and for nothing else"
    (row,) = [row for row in rows(tmp_path) if row["reindex/qa/changed"]]
    assert float(row["reindex/qa/judged"]) == len(before) == 13
    assert float(row["reindex/qa/beyond"]) == 0
    gained = sum(
        value > max(new.rewards[: len(new.positives)]) and key not in old.negatives
        for old, new in zip(before, after, strict=True)
        if new.positives
        for key, value in zip(new.negatives, new.rewards[len(new.positives) :], strict=True)
    )
    assert float(row["reindex/qa/above_gold"]) == gained
    # The same again, in another folder: the store has all of it.
    _, _, twice, (_, asked_again), _ = judged_run(preparation(reward=reward), bert_directory, tmp_path / "again")
    assert twice == after
    assert asked_again == []


def test_beyond_the_budget_records_keep_their_candidates_and_rewards(preparation, bert_directory, tmp_path):
    made = preparation()
    llm = made.rewards.language_model
    settings = replace(JUDGED, llm_tokens=300, every_n_steps=1)  # at four moments, each time in another order
    dataset, before, after, (_, asked), module = judged_run(made, bert_directory, tmp_path / "a", settings=settings)
    kept = [old == new for old, new in zip(before, after, strict=True)]
    assert 0 < sum(kept) < len(kept)
    for new in after[:4]:
        assert list(new.rewards) == by_hand(made, TASK, dataset, new)
    refreshes = [row for row in rows(tmp_path / "a") if row["reindex/qa/judged"]]
    assert len(refreshes) == 4
    for row in refreshes:
        assert 0 < float(row["reindex/qa/judged"]) < 13
        assert float(row["reindex/qa/judged"]) + float(row["reindex/qa/beyond"]) == 13
    # With a full store the same records are judged, and the weights are the same to the bit.
    again = judged_run(preparation(), bert_directory, tmp_path / "b", settings=settings)
    assert again[2] == after
    assert again[3][1] == []
    assert all(torch.equal(value, again[4].state_dict()[name]) for name, value in module.state_dict().items())
    assert asked
    assert llm.tokens_run > 0


@pytest.mark.parametrize("stop", [3, 4])
def test_a_resumed_run_has_the_same_rewards_to_the_bit(preparation, bert_directory, tmp_path, stop):
    """Right after a refresh, and a step later; the judge is not opened again."""
    *_, after, _, module = judged_run(preparation(), bert_directory, tmp_path / "whole")
    resumed = judged_run(preparation(), bert_directory, tmp_path / "b", resume=tmp_path / "whole" / f"{stop}.ckpt")
    assert resumed[2] == after
    assert resumed[3][1] == []
    assert all(torch.equal(value, resumed[4].state_dict()[name]) for name, value in module.state_dict().items())


def test_records_without_rewards_get_new_negatives_unjudged(preparation, bert_directory, tmp_path):
    task = replace(
        TASK,
        objective=Objective({"graded": Graded(), "contrastive": Contrastive()}),
        labelling=Labelling(min_reward_gap=1.0),
    )
    _, before, after, _, _ = judged_run(preparation(), bert_directory, tmp_path, task)
    flat = [k for k, record in enumerate(before) if record.rewards is None]
    assert flat, "rewards that differ by less than the gap are left out"
    for k in flat:
        assert after[k].rewards is None
        assert after[k].negatives != before[k].negatives
    for k in set(range(len(before))) - set(flat):
        new = after[k].rewards
        assert new is not None
        assert max(new) - min(new) >= 1.0


def test_a_listwise_reward_ranks_the_whole_new_record(preparation, bert_directory, tmp_path):
    reward = ListwiseReward(attempts=1)
    _, before, after, _, _ = judged_run(preparation(reward=reward), bert_directory, tmp_path)
    assert all(len(new.rewards) == len(new.positives) + len(new.negatives) for new in after)
    assert [new.negatives for new in after] != [old.negatives for old in before]


def test_competitors_are_those_of_the_preparation(preparation, bert_directory, tmp_path):
    made = preparation(sample_with_candidates=2)
    (dataset,) = prepare({"qa": TASK}, made)
    judges = RecordJudges(made, {"qa": TASK})
    judge = judges(dataset)
    assert judges(dataset)._judge._language_model is judge._judge._language_model, "the stores are in memory once"
    asked = []
    judge._judge.label, real = (
        lambda requests, *more: asked.extend(requests) or real(requests, *more),
        judge._judge.label,
    )
    records = dataset.records("train")
    query = dataset.train_queries()[0]
    own = records.row(0).texts("neg")
    judge([(query, ())], [own], [0])
    assert asked[0].sample_prompts == tuple(judge._judge.prompt.render(query.text, [text]) for text in own[:2])


def test_calls_of_the_llm_are_the_same_in_any_share(preparation, tmp_path):
    """What is in a batch decides the last bits of its numbers: no clock and no number of processes may change it."""

    (dataset,) = prepare({"qa": TASK}, preparation())
    keys = [Candidate(dataset.corpus[k], "dense") for k in range(30, 40)]
    proposed = [(query, tuple(keys)) for query in dataset.train_queries()]

    def calls(name, *parts):
        store = shutil.copytree(tmp_path / "store", tmp_path / name)
        made = preparation(store=str(store))
        judge = RecordJudges(made, {"qa": TASK})(dataset)
        rewards = []
        for part in parts:
            rewards += judge(proposed[part], [[] for _ in proposed[part]], [k // 4 for k in range(13)[part]])
        return made.rewards.language_model.calls, rewards

    whole, rewards = calls("whole", slice(0, 13))
    assert calls("two", slice(0, 8), slice(8, 13)) == (whole, rewards)
    assert len(whole) == 4


class InThreads(SharedWork):
    """Processes as threads: they wait for each other, and see what each of them has."""

    def of(self, barrier, sent):
        vars(self).update(barrier=barrier, sent=sent)
        return self

    def wait(self):
        self.barrier.wait()

    def gather(self, own, n):
        self.sent[self.processes.rank] = own
        self.wait()
        rows = np.concatenate([self.sent[rank] for rank in range(2)])
        self.wait()
        return rows


def test_a_repeated_text_is_judged_once_whichever_process_has_it(folder, preparation, tmp_path):
    path = shutil.copytree(folder, tmp_path / "twice") / "qa" / "small" / "train.jsonl"
    lines = [json.loads(line) for line in path.open()]
    lines = [line | {"query_id": f"{line['query_id']}-{k}"} for k in range(3) for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = CorpusSource(str(tmp_path / "twice"), str(tmp_path / "converted"))
    made = replace(preparation(reward=LikelihoodReward()), source=source)
    (dataset,) = prepare({"qa": TASK}, made)
    part, n = MinedDataset.of(0, dataset), len(dataset.train_queries())
    name_of_llm = made.rewards.language_model.name
    found = np.array([[30 + (k + j) % 10 for j in range(N)] for k in range(n)])

    def judged(name, size):
        store = str(shutil.copytree(tmp_path / "store", tmp_path / name))
        barrier, sent, calls = threading.Barrier(size), {}, []

        def work(rank):
            own = replace(
                made, rewards=replace(made.rewards, store=store, language_model=Counted(name_of_llm, device="cpu"))
            )
            shared = InThreads(Processes(rank, size)).of(barrier, sent) if size > 1 else SharedWork()
            judging = Judging(part, None, RecordJudges(own, {"qa": TASK})(dataset), shared, None, 0, 1)
            table, _ = judging.table(found[list(shared.share(n))])
            calls.append(own.rewards.language_model.__dict__.get("calls", []))
            return table.rewards

        with ThreadPoolExecutor(size) as threads:
            rewards = np.concatenate(list(threads.map(work, range(size))))
        return rewards, sorted(map(sorted, itertools.chain(*calls)))

    (rewards, calls), (of_two, calls_of_two) = judged("one", 1), judged("two", 2)
    assert 16 < n < 48
    assert calls_of_two == calls
    assert rewards.tobytes() == of_two.tobytes()


class Steps(L.Callback):
    n = 0

    def on_train_batch_start(self, *args):
        self.n += 1


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_what_judges_is_opened_before_the_first_step(preparation, bert_directory, tmp_path, mode):
    made, steps = preparation(), Steps()
    (dataset,) = prepare({"qa": TASK}, made)
    judges = RecordJudges(made, {"qa": replace(TASK, prompt=None)})
    with pytest.raises(ConfigError, match=r"tasks\.qa\.prompt: expected a prompt"):
        fit(dataset, bert_directory, tmp_path, replace(JUDGED, mode=mode), TASK, judge=judges, steps=5, more=[steps])
    assert steps.n == 0


def test_early_stop_with_competitors_of_candidates_is_refused(preparation):
    rewards = preparation(sample_with_candidates=2, early_stop=EarlyStop()).rewards
    with pytest.raises(ConfigError, match=r"prepare\.rewards\.sample_with_candidates: expected 0 with early"):
        check_rejudged(rewards, [TASK])
    check_rejudged(rewards, [replace(TASK, objective=Objective())])
    check_rejudged(replace(rewards, early_stop=None), [TASK])
