"""The LLM answers held-out questions in real, small training runs."""

import json
import logging
import re
from dataclasses import replace
from statistics import fmean

import lightning as L
import pytest
from lightning.pytorch.loggers import CSVLogger

from embedder.callbacks.rag_eval import METRICS, RagEvalCallback, RagEvalSettings
from embedder.callbacks.step_log import StepLogWriter
from embedder.data.prepared import PreparedDataset
from embedder.data.prompts import QuestionPrompt
from embedder.errors import ConfigError
from embedder.evaluation.cached_lm import CachedLanguageModel
from embedder.evaluation.consumer import Scene
from embedder.evaluation.rag import no_keys, plain_scores
from embedder.evaluation.retrievers import DenseRetriever
from embedder.evaluation.single_shot import SingleShot
from embedder.index.faiss_index import FaissIndex
from embedder.models.causal_lm import HuggingFaceLanguageModel
from embedder.models.encoder import EncoderConfig
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.module import RetrieverModule
from embedder.training.objective import Objective
from embedder.training.sampling import Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from tests.callbacks.test_reindex import rows

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)

PROMPT = QuestionPrompt(n_examples=0)
TASK = Task("qa", "", "", 64, 64, Objective(), Sampling(group_size=2), prompt=PROMPT)
SETTINGS = RagEvalSettings(every_n_steps=2, max_queries=3, top_k=1, max_new_tokens=4)


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def make(directory, name, n=6):
    """Keys 0 to 9; questions 0 to n - 1 are held out, all but the last of them have an answer."""
    directory = directory / name
    directory.mkdir()
    write(directory / "corpus.jsonl", [{"id": f"k{i}", "text": f"thing {i} was made in {1900 + i}"} for i in range(10)])
    write(
        directory / "queries.jsonl",
        [
            {
                "query_id": f"{i}",
                "query": f"When was thing {i} made?",
                "answers": [f"{1900 + i}"] if i < n - 1 else [" "],
                "pos": [f"k{i}"],
            }
            for i in range(n)
        ],
    )
    write(directory / "train.jsonl", [{"query": f"thing {i}?", "pos": [f"{i}"], "neg": ["no"]} for i in range(4)])
    return PreparedDataset("qa", name, directory, directory / "corpus.jsonl")


class Counting:
    """An LLM that notes what it is asked."""

    def __init__(self, directory):
        self.inner = HuggingFaceLanguageModel(str(directory), device="cpu")
        self.written, self.scored = [], []

    @property
    def fingerprint(self):
        return self.inner.fingerprint

    @property
    def tokens_run(self):
        return self.inner.tokens_run

    def generate(self, prompts, max_new_tokens, stop=("\n",)):
        self.written += prompts
        return self.inner.generate(prompts, max_new_tokens, stop)

    def score(self, prompts, outputs):
        self.scored += [(prompt, output) for prompt, some in zip(prompts, outputs, strict=True) for output in some]
        return self.inner.score(prompts, outputs)


def answer_with(language_model, settings=SETTINGS):
    how = SingleShot(settings.top_k, settings.max_new_tokens)
    return lambda queries, rankings, corpus, prompt: plain_scores(
        how, queries, rankings, Scene(corpus, no_keys, language_model, prompt)
    )


def fit(datasets, bert_directory, directory, callback, lr=1e-3, steps=5, **settings):
    encoder = EncoderConfig(name=str(bert_directory), pooling="mean").build()
    module = RetrieverModule(encoder, {"qa": TASK}, AdamWLinear(lr=lr, warmup=0.0))
    data = RetrieverDataModule(datasets, {"qa": TASK}, encoder.tokenize, DataSettings(batch_size=4, seed=0))
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=steps,
        callbacks=[callback, StepLogWriter()],
        logger=CSVLogger(directory),
        log_every_n_steps=100,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        **settings,
    )
    trainer.fit(module, data)
    return module, trainer


def test_answers_are_scored_before_every_so_many_steps_and_at_the_end(bert_directory, llama_directory, tmp_path):
    dataset, llm = make(tmp_path, "made"), Counting(llama_directory)
    callback = RagEvalCallback(
        SETTINGS, [dataset], [PROMPT], FaissIndex, answer_with(CachedLanguageModel(llm, tmp_path / "store"))
    )
    module, trainer = fit([dataset], bert_directory, tmp_path, callback, lr=1e-9)  # the weights stay as they are
    logged = {int(row["step"]): row for row in rows(tmp_path) if row["rag/qa/em"]}
    assert list(logged) == [0, 1, 3, 4]  # before, after 2 and 4 steps, after the last
    # By the parts: the sample is fixed, the LLM sees the nearest key.
    (part,) = callback._parts
    assert len(part.queries) == 3
    assert all(query.answers[0].strip() for query in part.queries)
    retriever = DenseRetriever(module.encoder, FaissIndex, TASK.sides)
    retriever.fit(dataset.corpus())
    rankings = retriever.retrieve(part.queries, 1)
    scene = Scene(dataset.corpus(), no_keys, llm.inner, PROMPT)
    values = plain_scores(SingleShot(1, 4), part.queries, rankings, scene)
    expected = {metric: fmean(some.values()) for metric, some in values.items()}
    for row in logged.values():
        assert {m: float(row[f"rag/qa/{m}"]) for m in METRICS} == pytest.approx({m: expected[m] for m in METRICS})
    assert trainer.callback_metrics["rag/qa/log_likelihood"] == pytest.approx(expected["log_likelihood"])
    # The encoder has not moved: nothing is asked again.
    assert len(llm.written) == len(llm.scored) == 3


def test_a_run_that_ends_early_is_answered_at_its_end_too(bert_directory, llama_directory, tmp_path):
    dataset, llm = make(tmp_path, "made"), HuggingFaceLanguageModel(str(llama_directory), device="cpu")
    callback = RagEvalCallback(SETTINGS, [dataset], [PROMPT], FaissIndex, answer_with(llm))
    fit([dataset], bert_directory, tmp_path, callback, limit_train_batches=3, max_epochs=1)
    assert [int(row["step"]) for row in rows(tmp_path) if row["rag/qa/em"]] == [0, 1, 2]


def test_data_sets_of_a_task_are_logged_apart_and_as_their_mean(bert_directory, llama_directory, tmp_path):
    datasets = [make(tmp_path, "one"), make(tmp_path, "other", 8)]
    llm = HuggingFaceLanguageModel(str(llama_directory), device="cpu")
    callback = RagEvalCallback(SETTINGS, datasets, [PROMPT, PROMPT], FaissIndex, answer_with(llm))
    fit(datasets, bert_directory, tmp_path, callback, steps=1)
    row = next(row for row in rows(tmp_path) if row["rag/qa/em"])
    one, other, both = (float(row[f"rag/qa/{name}log_likelihood"]) for name in ("one/", "other/", ""))
    assert one != other
    assert both == pytest.approx((one + other) / 2)


def test_a_run_without_anything_to_answer_is_refused(bert_directory, tmp_path):
    dataset = make(tmp_path, "made", n=1)  # its only held-out question has no answer
    module = RetrieverModule(
        EncoderConfig(name=str(bert_directory), pooling="mean").build(), {"qa": TASK}, AdamWLinear(lr=1.0)
    )
    for some, prompt in ((dataset, PROMPT), (make(tmp_path, "other"), None)):
        callback = RagEvalCallback(SETTINGS, [some], [prompt], FaissIndex, answer_with(None))
        with pytest.raises(ConfigError, match=r"callbacks.rag_eval: expected a data set with a prompt and held-out"):
            callback.setup(None, module, "fit")


def test_settings_are_checked():
    for name in ("every_n_steps", "max_queries", "top_k", "max_keys", "max_new_tokens"):
        with pytest.raises(ConfigError, match=re.escape(f"callbacks.rag_eval.{name}: expected 1 or more, got 0")):
            replace(SETTINGS, **{name: 0})
