"""The LLM answers held-out questions in real, small training runs."""

import json
import logging
import math
import re
from dataclasses import replace

import lightning as L
import pytest
from lightning.pytorch.loggers import CSVLogger

from embedder.callbacks.prompt_cache import PromptCache
from embedder.callbacks.rag_eval import METRICS, RagEvalCallback, RagEvalSettings
from embedder.callbacks.step_log import StepLogWriter
from embedder.data.prepared import PreparedDataset
from embedder.data.prompts import QuestionPrompt
from embedder.errors import ConfigError
from embedder.evaluation.rag import RagSettings, single_shot
from embedder.evaluation.retrievers import DenseRetriever
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

    def generate(self, prompts, max_new_tokens):
        self.written += prompts
        return self.inner.generate(prompts, max_new_tokens)

    def score(self, prompts, outputs):
        self.scored += [(prompt, output) for prompt, some in zip(prompts, outputs, strict=True) for output in some]
        return self.inner.score(prompts, outputs)


def answer_with(language_model, settings=SETTINGS):
    how = RagSettings(settings.top_k, None, settings.max_new_tokens)
    return lambda queries, rankings, corpus, prompt: (
        single_shot(queries, rankings, corpus, language_model, prompt, how).per_query
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
    callback = RagEvalCallback(SETTINGS, [dataset], [PROMPT], FaissIndex, answer_with(PromptCache(llm)))
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
    expected = single_shot(part.queries, rankings, dataset.corpus(), llm.inner, PROMPT, RagSettings(1, None, 4)).mean
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
    llm = PromptCache(HuggingFaceLanguageModel(str(llama_directory), device="cpu"))
    callback = RagEvalCallback(SETTINGS, datasets, [PROMPT, PROMPT], FaissIndex, answer_with(llm))
    fit(datasets, bert_directory, tmp_path, callback, steps=1)
    row = next(row for row in rows(tmp_path) if row["rag/qa/em"])
    one, other, both = (float(row[f"rag/qa/{name}log_likelihood"]) for name in ("one/", "other/", ""))
    assert one != other
    assert both == pytest.approx((one + other) / 2)


def test_the_cache_answers_as_the_llm_does_and_asks_for_what_is_new(llama_directory):
    llm = Counting(llama_directory)
    cache = PromptCache(llm)
    prompts, outputs = ["Q: a\nA:", "Q: b\nA:", "Q: a\nA:"], [["1", "2"], ["1"], ["2", "3"]]
    for _ in range(2):
        assert cache.generate(prompts, 3) == llm.inner.generate(prompts, 3)
        found = cache.score(prompts, outputs)
        for ours, theirs in zip(found, llm.inner.score(prompts, outputs), strict=True):
            assert [s.n_tokens for s in ours] == [s.n_tokens for s in theirs]
            assert [s.sum_logprob for s in ours] == pytest.approx([s.sum_logprob for s in theirs], abs=1e-4)
    assert llm.written == prompts[:2]
    assert sorted(llm.scored) == [(prompts[0], "1"), (prompts[0], "2"), (prompts[0], "3"), (prompts[1], "1")]
    cache.generate(prompts[:1], 4)  # another length is another answer
    assert len(llm.written) == 3
    assert all(math.isfinite(score.mean_logprob) for some in found for score in some)


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
