"""Hard negatives made anew in real, small training runs, held against a plain loop over all cosines."""

import csv
import json
import logging
import re
import shutil
from dataclasses import replace
from functools import partial

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from embedder.callbacks.last_checkpoint import LastCheckpoint
from embedder.callbacks.mining import MinedDataset, Miner
from embedder.callbacks.refresh import Refresh
from embedder.callbacks.reindex import ReindexCallback
from embedder.callbacks.reindex_settings import ReindexSettings
from embedder.callbacks.retrieval_eval import RetrievalEvalCallback
from embedder.callbacks.self_paced import SelfPacedRate
from embedder.callbacks.step_log import StepLogWriter
from embedder.callbacks.validate_last import ValidateLast
from embedder.candidates.candidates import Candidates
from embedder.candidates.filters import CandidateFilters
from embedder.candidates.finder import CandidateFinder
from embedder.candidates.proposers import BM25Proposer
from embedder.data.corpus import Corpus
from embedder.data.prepared import PreparedDataset
from embedder.data.sources import Dataset
from embedder.encoders.checkpoint_file import encoder_of_snapshot
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.errors import ConfigError, DataError
from embedder.index.faiss_index import FaissIndex
from embedder.metrics.text import has_answer
from embedder.preparation.job import make_job
from embedder.preparation.validation import Validation
from embedder.preparation.write_records import write_records
from embedder.texts import text_hash
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.module import RetrieverModule
from embedder.training.objective import Objective
from embedder.training.sampling import Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import Reading
from tests.stored import stored

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)

TASK = Task("tool", "find: ", "", 64, 64, Objective(), Sampling(group_size=3))
N = 4  # negatives of a record
SETTINGS = ReindexSettings(Candidates(n=N + 1, max_gold=1, sources=("dense",)), every_n_steps=3)
WORDS = ("red", "apple", "tree", "blue", "car", "night", "silent", "harbour")


def texts():
    """40 keys; key 39 says what key 5 says."""
    made = [f"{WORDS[i % 8]} {WORDS[i // 8]} number {i * 37 % 101}" for i in range(40)]
    return [*made[:39], made[5]]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Queries 0 to 9 over all keys, the others over ten neighbours; each has two gold keys and one that is left out."""
    folder = tmp_path_factory.mktemp("data")
    keys = [{"id": f"k{i}", "text": text} for i, text in enumerate(texts())]
    rows = []
    for i in range(20):
        start = i % 3 * 10 if i >= 10 else 0
        row = {"query_id": f"q{i}", "query": f"want {WORDS[i % 8]} {i}", "exclude": [f"k{start + 7}"]}
        row |= {"pos": [f"k{start + i % 6}", f"k{start + 6}"], "answers": [f"{i}"]}
        rows.append(row | ({"among": [f"k{start}", f"k{start + 9}"]} if i >= 10 else {}))
    for name, lines in (("corpus", keys), ("train", rows)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = Dataset("tool", "small", folder / "corpus.jsonl", folder / "train.jsonl")
    job = make_job(TASK, source, Corpus(source.file("corpus")), Validation(0.2, 10), None)
    prepared = folder / "prepared"
    prepared.mkdir()
    finder = CandidateFinder(Candidates(n=N + 1, max_gold=1), [BM25Proposer()], job.corpus, has_answer)
    write_records(job, finder, None, prepared)
    return PreparedDataset("tool", "small", prepared, folder / "corpus.jsonl")


class Keys(L.Callback):
    """Which negatives each step had, by query."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        hashes = batch.key_hashes.tolist()
        self.seen.append({name: set(row[1:]) for name, row in zip(batch.query_ids, hashes, strict=True)})


class EveryCheckpoint(LastCheckpoint):
    """Keeps the checkpoint of every step, as a kill after it would leave it."""

    def save(self, trainer):
        super().save(trainer)
        if self._path.is_file():  # not so after a batch that is a part of the first step
            shutil.copy(self._path, self._path.with_name(f"{trainer.global_step}.ckpt"))


def refresh_of(settings, judge=None):
    return Refresh(Miner(settings.candidates, FaissIndex, has_answer), judge or no_judge, settings.llm_tokens)


def opened(bert_directory):
    return partial(encoder_of_snapshot, EncoderConfig(name=str(bert_directory), pooling="mean"), "cpu")


def no_judge(dataset):
    raise AssertionError("these tasks distil no rewards")


def fit(
    dataset,
    bert_directory,
    directory,
    settings=SETTINGS,
    task=TASK,
    resume=None,
    lr=1e-3,
    steps=8,
    more=(),
    judge=None,
    opener=None,
    **trainer,
):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    module = RetrieverModule(encoder, {task.name: task}, AdamWLinear(lr=lr, warmup=0.0))
    data = RetrieverDataModule([dataset], {task.name: task}, encoder.tokenize, DataSettings(batch_size=4, seed=0))
    earlier = None if resume is None else resume.parent / "negatives"
    refresh, open_encoder = refresh_of(settings, judge), opener or opened(bert_directory)
    callback = ReindexCallback(settings, refresh, open_encoder, directory / "negatives", earlier)
    keys = Keys()
    evaluation = RetrievalEvalCallback([dataset], FaissIndex)
    callbacks = [evaluation, ValidateLast(), *more, keys, callback, StepLogWriter(), EveryCheckpoint(str(directory), 1)]
    made = L.Trainer(
        accelerator="cpu",
        max_steps=steps,
        callbacks=callbacks,
        logger=CSVLogger(directory),
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=None,
        **{"val_check_interval": 4} | trainer,
    )
    if resume is None:
        made.validate(module, data, verbose=False)
    made.fit(module, data, ckpt_path=resume, weights_only=True)
    return module, callback, keys.seen, data


def test_harder_negatives_start_the_pace_of_their_task_anew(dataset, bert_directory, tmp_path):
    paced = SelfPacedRate(warmup=1)
    learnt = {"contrastive": {"visits": 5, "decayed": 0.1, "reference": 2.0}}
    paced.load_state_dict({"tool": learnt, "qa": learnt})
    fit(dataset, bert_directory, tmp_path, steps=4, more=[paced])
    assert paced.state_dict() == {"qa": learnt}


def rows(directory):
    with (directory / "lightning_logs" / "version_0" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def nearest(dataset, encoder, skip=0, limit=None):
    """The negatives of every training record by a loop over all keys."""
    corpus, found = dataset.corpus, []
    vectors = encoder.encode(list(corpus.texts()), Reading("key", "", 64))
    for query in dataset.train_queries():
        (vector,) = encoder.encode([query.text], Reading("query", "find: ", 64))
        scores = vectors @ vector
        gold = [corpus.position(key_id) for key_id in query.positives]
        never = {corpus[p].text for p in gold} | {corpus[corpus.position(key_id)].text for key_id in query.exclude}
        start, stop = corpus.span(*query.among) if query.among else (0, len(corpus))
        eligible = [p for p in range(start, stop) if corpus[p].id not in query.exclude]
        order = sorted(eligible, key=lambda p: -scores[p])[skip:]
        if limit is not None:
            order = [p for p in order if scores[p] <= limit(max(scores[p] for p in gold))]
        chosen = []
        for position in order:
            if corpus[position].text not in never:
                chosen.append(position)
                never.add(corpus[position].text)
        found.append(one_of_twins(chosen[:N]))
    return found


def one_of_twins(positions):
    """In order; keys 5 and 39 have one text, and either may stand for it."""
    return sorted(5 if position == 39 else position for position in positions)


def test_the_negatives_are_the_nearest_keys_that_may_be_negatives(dataset, bert_directory, tmp_path):
    module, callback, seen, _ = fit(dataset, bert_directory, tmp_path, lr=1e-9, steps=5)  # the weights stay as they are
    expected = nearest(dataset, module.encoder)
    (fresh,) = callback._now.values()
    assert [one_of_twins(fresh.positions(record)) for record in range(len(fresh))] == expected
    assert all(fresh.positions(record) == sorted(fresh.positions(record)) for record in range(len(fresh)))
    assert fresh.table.positions.dtype == np.int8  # 40 keys
    # By hand: how many of them the records did not have. They are logged at the step that made them, the third.
    old = [{int(key.id[1:]) for key in record.negatives} for record in dataset.records("train")]
    changed = sum(len(set(fresh.positions(record)) - before) for record, before in enumerate(old))
    (row,) = [row for row in rows(tmp_path) if row["reindex/tool/changed"]]
    assert (row["step"], float(row["reindex/tool/changed"])) == ("2", changed)
    assert changed > 0
    assert not row.get("reindex/tool/val_gain")  # nothing was validated in between
    # Steps 0 to 2 drew from the old ones, steps 3 and 4 from the new ones.
    corpus, ids = dataset.corpus, [query.id for query in dataset.train_queries()]
    by_query = {
        True: {name: {text_hash(corpus[p].text) for p in some} for name, some in zip(ids, expected, strict=True)},
        False: {name: {text_hash(corpus[p].text) for p in some} for name, some in zip(ids, old, strict=True)},
    }
    for step, groups in enumerate(seen):
        assert all(negatives <= by_query[step >= 3][name] for name, negatives in groups.items()), step


RULES = {  # each with the highest score that a candidate may have, from that of the best gold key
    "relative_margin": (0.001, lambda gold: 0.999 * gold),
    "absolute_margin": (0.002, lambda gold: gold - 0.002),
    "max_score": (0.97, lambda gold: 0.97),
}


@pytest.mark.parametrize(("skip", "rule"), [(2, None), *((0, rule) for rule in RULES)])
def test_best_matches_and_those_as_near_as_gold_can_be_passed_over(dataset, bert_directory, tmp_path, skip, rule):
    value, limit = RULES[rule] if rule else (None, None)
    filters = CandidateFilters(**{rule: value} if rule else {})
    candidates = replace(SETTINGS.candidates, range_min=skip, filters=filters)
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    miner, mined = Miner(candidates, FaissIndex, has_answer), MinedDataset.of(0, dataset)
    table = miner.mine(mined, TASK.sides, stored(encoder, tmp_path), range)
    found = [[p for p in row if p >= 0] for row in table.tolist()]
    expected = nearest(dataset, encoder, skip, limit)
    full = [record for record in range(len(found)) if len(expected[record]) == N]  # others are filled up at random
    assert len(full) > 5
    assert [one_of_twins(found[record]) for record in full] == [expected[record] for record in full]
    assert expected != nearest(dataset, encoder)


def test_negatives_are_drawn_from_a_window_of_ranks_by_the_query_alone(dataset, bert_directory, tmp_path):
    window = {"range_min": 2, "range_max": 12, "sampling_strategy": "random"}
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    mined = MinedDataset.of(0, dataset)

    def negatives(seed, name):
        miner = Miner(replace(SETTINGS.candidates, **window, seed=seed), FaissIndex, has_answer)
        return miner.mine(mined, TASK.sides, stored(encoder, tmp_path / name), range).tolist()

    first = negatives(0, "a")
    assert first == negatives(0, "b")
    assert first != negatives(1, "c")
    best = nearest(dataset, encoder, skip=0)
    assert not any(set(own) == set(others) for own, others in zip(first, best, strict=True))


@pytest.fixture(scope="module")
def whole(dataset, bert_directory, tmp_path_factory):
    """Eight steps, new negatives after 3 and 6, validated after every second: at the latter and not at the former."""
    directory = tmp_path_factory.mktemp("whole")
    return directory, *fit(dataset, bert_directory, directory, **CHECKS)


CHECKS = {"val_check_interval": 2}


def test_gains_of_validation_between_two_times_are_logged(whole):
    logged = rows(whole[0])
    scores = {int(row["step"]): float(row["val/tool/ndcg@10"]) for row in logged if row["val/tool/ndcg@10"]}
    assert sorted(scores) == [0, 1, 3, 5, 7]  # before training, after 2, 4, 6 and 8 steps
    gains = {int(row["step"]): float(row["reindex/tool/val_gain"]) for row in logged if row["reindex/tool/changed"]}
    assert gains == pytest.approx({2: scores[1] - scores[0], 5: scores[5] - scores[1]})
    assert any(gains.values())


@pytest.mark.parametrize("stop", [3, 4, 6])
def test_a_resumed_run_trains_on_the_same_negatives_to_the_bit(dataset, bert_directory, tmp_path, whole, stop):
    """Right after the negatives were made, later, and after they were made twice."""
    directory, module, callback, seen, _ = whole
    resumed, again, seen_again, _ = fit(dataset, bert_directory, tmp_path, resume=directory / f"{stop}.ckpt", **CHECKS)
    assert seen_again == seen[stop:]
    ours, theirs = module.state_dict(), resumed.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert again._state == callback._state
    assert (tmp_path / "negatives" / again._state["folder"]).is_dir()


def test_negatives_that_are_gone_stop_a_resumed_run(dataset, bert_directory, tmp_path, whole):
    shutil.copy(whole[0] / "4.ckpt", tmp_path)  # without the folder of negatives
    (folder,) = (whole[0] / "negatives").glob("step-000003-*")
    with pytest.raises(DataError, match=rf"{folder.name}: the checkpoint trains with the negatives of this folder"):
        fit(dataset, bert_directory, tmp_path, resume=tmp_path / "4.ckpt")


def test_epochs_are_steps_that_see_as_many_records_as_there_are(dataset, bert_directory, tmp_path):
    # 15 records in batches of 4, two batches a step: 2 steps are an epoch.
    settings = replace(SETTINGS, every_n_steps=None, every_n_epochs=1.0)
    *_, seen, data = fit(dataset, bert_directory, tmp_path, settings, steps=3, accumulate_grad_batches=2)
    assert data.plan.sizes == [15]
    assert len(seen) == 6
    assert [int(row["step"]) for row in rows(tmp_path) if row["reindex/tool/changed"]] == [1]


@pytest.mark.parametrize(
    ("settings", "task", "message"),
    [
        ({"every_n_steps": 8}, TASK, "every_n_steps: expected fewer steps than trainer.max_steps (8)"),
        (
            {"every_n_steps": None, "every_n_epochs": 2.5},  # 15 records in batches of 4
            TASK,
            "every_n_epochs: expected fewer steps than trainer.max_steps (8), where this many epochs of the records",
        ),
        ({"tasks": ("qa",)}, TASK, "callbacks.reindex.tasks: expected tasks of the mix (tool), got 'qa'"),
        ({}, replace(TASK, sampling=Sampling(2, 2)), "tasks.tool.sampling.group_size: expected more than 2"),
    ],
)
def test_what_could_never_be_read_is_refused_before_the_first_step(
    dataset, bert_directory, tmp_path, settings, task, message
):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    data = RetrieverDataModule([dataset], {"tool": TASK}, encoder.tokenize, DataSettings(batch_size=4, seed=0))
    module = RetrieverModule(encoder, {"tool": task}, AdamWLinear(lr=1.0))
    trainer = L.Trainer(accelerator="cpu", max_steps=8, logger=False, enable_progress_bar=False)
    trainer.datamodule = data
    callback = ReindexCallback(replace(SETTINGS, **settings), refresh_of(SETTINGS), opened(bert_directory), tmp_path)
    with pytest.raises(ConfigError, match=re.escape(message)):
        callback.setup(trainer, module, "fit")


def test_published_records_are_refused(dataset, bert_directory, tmp_path):
    (tmp_path / "train.jsonl").write_text((dataset.directory / "train.jsonl").read_text())
    published = PreparedDataset("tool", "theirs", tmp_path, dataset.corpus_path)
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    data = RetrieverDataModule([published], {"tool": TASK}, encoder.tokenize, DataSettings(batch_size=4, seed=0))
    trainer = L.Trainer(accelerator="cpu", max_steps=8, logger=False, enable_progress_bar=False)
    trainer.datamodule = data
    callback = ReindexCallback(SETTINGS, refresh_of(SETTINGS), opened(bert_directory), tmp_path)
    with pytest.raises(ConfigError, match="source: expected corpus or world: published records do not say"):
        callback.setup(trainer, RetrieverModule(encoder, {"tool": TASK}, AdamWLinear(lr=1.0)), "fit")


def test_settings_are_checked():
    candidates = SETTINGS.candidates
    assert not ReindexSettings(candidates).is_on
    for wrong, message in (
        ({"every_n_steps": 0}, "every_n_steps: expected 1 or more, or null, got 0"),
        ({"every_n_epochs": 0.0}, "every_n_epochs: expected a number above 0, or null, got 0.0"),
        ({"every_n_steps": 1, "every_n_epochs": 1.0}, "every_n_epochs: expected null, since every_n_steps is set"),
        ({"candidates": Candidates()}, r"candidates.sources: expected [dense], the encoder, got ['bm25']"),
    ):
        with pytest.raises(ConfigError, match=re.escape(f"callbacks.reindex.{message}")):
            ReindexSettings(**{"candidates": candidates, **wrong})
