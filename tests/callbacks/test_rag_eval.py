"""The LLM works with what the weights of the moment retrieve for validation queries."""

import json
import logging
import math
import re
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import lightning as L
import pytest
from lightning.pytorch.loggers import CSVLogger

from embedder.callbacks.rag_eval import RagEvalCallback, RagEvalSettings
from embedder.callbacks.step_log import StepLogWriter
from embedder.consumers.by_options import ByOptions
from embedder.consumers.consumer import Outcome, Scene, first_keys
from embedder.consumers.option_likelihood import OptionLikelihood
from embedder.consumers.paired import measured
from embedder.consumers.rag import no_keys
from embedder.consumers.reading import Perplexity
from embedder.consumers.single_shot import SingleShot
from embedder.data.examples import Examples
from embedder.data.prepared import PreparedDataset
from embedder.data.prompts import ContinuationPrompt, QuestionPrompt
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.errors import ConfigError
from embedder.index.faiss_index import FaissIndex
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.retrieval.retrievers import DenseRetriever
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.module import RetrieverModule
from embedder.training.objective import Objective
from embedder.training.sampling import Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from tests.callbacks.test_reindex import rows
from tests.consumers.scripted import ScriptedLanguageModel
from tests.stored import stored

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)

PROMPT = QuestionPrompt(Examples(n=0))
CONSUMER = SingleShot(top_k=1, max_new_tokens=4)
TASK = Task("qa", "", "", 64, 64, Objective(), Sampling(group_size=2), prompt=PROMPT, consumer=CONSUMER)
SETTINGS = RagEvalSettings(every_n_steps=2, max_answered=3)


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

    def answer(self, prompts, outputs, max_new_tokens):
        return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)

    def score(self, prompts, outputs):
        self.scored += [(prompt, output) for prompt, some in zip(prompts, outputs, strict=True) for output in some]
        return self.inner.score(prompts, outputs)


def fit(datasets, bert_directory, directory, callback, lr=1e-3, steps=5, **settings):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
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
        SETTINGS, [dataset], [PROMPT], FaissIndex, partial(CachedLanguageModel, llm, tmp_path / "store")
    )
    module, trainer = fit([dataset], bert_directory, tmp_path, callback, lr=1e-9)  # the weights stay as they are
    logged = {int(row["step"]): row for row in rows(tmp_path) if row["rag/qa/em"]}
    assert list(logged) == [0, 1, 3, 4]  # before, after 2 and 4 steps, after the last
    # By the parts: the sample is fixed, the LLM sees the nearest key.
    (part,) = callback._parts
    assert len(part.queries) == 3
    assert all(query.answers[0].strip() for query in part.queries)
    retriever = DenseRetriever(stored(module.encoder, tmp_path / "vectors"), FaissIndex, TASK.sides)
    retriever.fit(dataset.corpus)
    rankings = retriever.retrieve(part.queries, 1)
    outcomes = CONSUMER.consume(part.queries, rankings, Scene(dataset.corpus, no_keys, llm.inner, PROMPT))
    values = measured(outcomes, [()] * 3, llm.inner)
    expected = {metric: fmean(some[metric] for some in values) for metric in values[0]}
    assert expected.keys() >= {"em", "f1", "log_likelihood"}
    for row in logged.values():
        assert {m: float(row[f"rag/qa/{m}"]) for m in expected} == pytest.approx(expected)
    assert trainer.callback_metrics["rag/qa/log_likelihood"] == pytest.approx(expected["log_likelihood"])
    # The encoder has not moved: nothing is asked again.
    assert len(llm.written) == len(llm.scored) == 3


def test_a_run_that_ends_early_is_answered_at_its_end_too(bert_directory, llama_directory, tmp_path):
    dataset, llm = make(tmp_path, "made"), HuggingFaceLanguageModel(str(llama_directory), device="cpu")
    callback = RagEvalCallback(SETTINGS, [dataset], [PROMPT], FaissIndex, lambda: llm)
    fit([dataset], bert_directory, tmp_path, callback, limit_train_batches=3, max_epochs=1)
    assert [int(row["step"]) for row in rows(tmp_path) if row["rag/qa/em"]] == [0, 1, 2]


def test_data_sets_of_a_task_are_logged_apart_and_as_their_mean(bert_directory, llama_directory, tmp_path):
    datasets = [make(tmp_path, "one"), make(tmp_path, "other", 8)]
    llm = HuggingFaceLanguageModel(str(llama_directory), device="cpu")
    callback = RagEvalCallback(SETTINGS, datasets, [PROMPT, PROMPT], FaissIndex, lambda: llm)
    fit(datasets, bert_directory, tmp_path, callback, steps=1)
    row = next(row for row in rows(tmp_path) if row["rag/qa/em"])
    one, other, both = (float(row[f"rag/qa/{name}log_likelihood"]) for name in ("one/", "other/", ""))
    assert one != other
    assert both == pytest.approx((one + other) / 2)


def asked_once(bert_directory, callback, tasks):
    """What is logged before the first step."""
    module = RetrieverModule(
        TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean")), tasks, AdamWLinear(lr=1.0)
    )
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    callback.setup(trainer, module, "fit")
    return callback._evaluate(trainer, module)


def queries_of(directory, task, name, lines):
    """A data set with these validation queries, over its keys 0 to 19."""
    directory = directory / task / name
    directory.mkdir(parents=True)
    write(directory / "corpus.jsonl", [{"id": f"k{i}", "text": f"text {i}"} for i in range(20)])
    write(directory / "queries.jsonl", lines)
    return PreparedDataset(task, name, directory, directory / "corpus.jsonl")


def test_each_task_is_measured_by_its_own_consumer(bert_directory, tmp_path, caplog):
    caplog.set_level("INFO")
    open_ones = [{"query_id": f"{i}", "query": f"say {i}", "answers": [f"answer {i}"]} for i in range(2)]
    choices = [row | {"options": ["answer 0", "answer 1"]} for row in open_ones]
    datasets = [
        queries_of(tmp_path, "chat", "one", open_ones),
        queries_of(tmp_path, "chat", "two", open_ones[:1]),
        queries_of(tmp_path, "icl", "both", [choices[0], choices[1], {**open_ones[0], "query_id": "2"}]),
        queries_of(tmp_path, "icl", "options", choices),
        queries_of(tmp_path, "tool", "none", open_ones),
    ]
    consumers = {
        "chat": Perplexity(),
        "icl": ByOptions(OptionLikelihood(top_k=1), SingleShot(1, 4, finds_answers=False)),
        "tool": None,
    }
    tasks = {name: replace(TASK, name=name, consumer=consumer) for name, consumer in consumers.items()}
    # Whatever is asked, "answer 1" has -3 nats a token and "answer 0" -1; the LLM writes "answer 0".
    llm = ScriptedLanguageModel(
        lambda prompt: "answer 0", lambda prompt, output: -3.0 if output.endswith("1") else -1.0
    )
    callback = RagEvalCallback(SETTINGS, datasets, [PROMPT] * len(datasets), FaissIndex, lambda: llm)
    logged = asked_once(bert_directory, callback, tasks)
    assert {name for name in logged if name.startswith("rag/chat/")} == {
        f"rag/chat/{where}{metric}" for where in ("", "one/", "two/") for metric in ("perplexity", "log_likelihood")
    }
    # Of e and e^3 the mean is e^2, and that of e^2 and e is e^1.5: surprise is averaged, as in tables of evaluation.
    assert logged["rag/chat/one/perplexity"] == pytest.approx(math.exp(2))
    assert logged["rag/chat/perplexity"] == pytest.approx(math.exp(1.5))
    # Both data sets choose "answer 0" twice, which is right once; one has an open query too, answered rightly.
    assert [logged[f"rag/icl/{name}accuracy"] for name in ("both/", "options/", "")] == [0.5, 0.5, 0.5]
    assert logged["rag/icl/both/em"] == 1.0
    assert "rag/icl/em" not in logged  # not measured on all its data sets
    assert logged["rag/icl/log_likelihood"] == pytest.approx((-5 / 3 - 2) / 2)
    assert not any(name.startswith("rag/tool") for name in logged)
    assert "tool/none has no consumer, so the LLM does not answer it in training" in caplog.text


def test_recent_text_is_read_off_the_whole_corpus(bert_directory, tmp_path):
    lines = [{"query_id": "a", "query": "now", "answers": ["next"], "among": ["k0", "k15"]}]
    dataset = queries_of(tmp_path, "lrlm", "one", lines)
    consumer = Perplexity(top_k=2, document_order=True, recent=2)
    seen = []
    llm = ScriptedLanguageModel(score_of=lambda prompt, output: seen.append(prompt) or -1.0)
    settings = replace(SETTINGS, max_keys=6)
    callback = RagEvalCallback(settings, [dataset], [ContinuationPrompt()], FaissIndex, lambda: llm)
    asked_once(bert_directory, callback, {"lrlm": replace(TASK, name="lrlm", consumer=consumer)})
    assert len(callback._parts[0].searched) == 6
    (prompt,) = set(seen)
    # Keys 13 and 15 stand in front of the query, searched or not; what is found comes before them.
    assert prompt.endswith("text 13 text 15 now")
    found = [int(number) for number in re.findall(r"text (\d+)", prompt)][:-2]
    assert len(found) == 2
    assert found == sorted(found)
    assert all(number < 12 for number in found)


@dataclass(frozen=True)
class SearchesAgain:
    """Shows what the retriever finds for another text than that of the query."""

    top_k: int = 1
    finds_answers: bool = False

    def consume(self, queries, rankings, scene):
        found = scene.search_again([(query, "text 7", 1) for query in queries], 1)
        return [
            Outcome(
                first_keys(ranking, 1), ranking.key_ids[0], ("x",), None, {"found": float(ranking.key_ids[0] == "k7")}
            )
            for ranking in found
        ]


def test_a_consumer_that_searches_itself_does_so_with_the_current_weights(bert_directory, tmp_path, monkeypatch):
    dataset = queries_of(tmp_path, "qa", "one", [{"query_id": "a", "query": "something else", "answers": ["x"]}])
    callback = RagEvalCallback(SETTINGS, [dataset], [PROMPT], FaissIndex, ScriptedLanguageModel)
    tasks = {"qa": replace(TASK, consumer=SearchesAgain())}
    assert asked_once(bert_directory, callback, tasks)["rag/qa/found"] == 1.0
    monkeypatch.setattr("embedder.callbacks.rag_eval.is_sharded", lambda trainer: True)
    with pytest.raises(ConfigError, match=r"tasks\.NAME\.consumer: expected consumers that do not search themselves"):
        asked_once(bert_directory, callback, tasks)


def test_a_run_without_anything_to_answer_is_refused(bert_directory, tmp_path):
    dataset = make(tmp_path, "made", n=1)  # its only validation question has no answer
    module = RetrieverModule(
        TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean")), {"qa": TASK}, AdamWLinear(lr=1.0)
    )
    for some, prompt in ((dataset, PROMPT), (make(tmp_path, "other"), None)):
        callback = RagEvalCallback(SETTINGS, [some], [prompt], FaissIndex, lambda: None)
        with pytest.raises(
            ConfigError, match=r"callbacks.rag_eval: expected a data set with validation queries with answers"
        ):
            callback.setup(None, module, "fit")


def test_settings_are_checked():
    for name, null in (("every_n_steps", ", or null"), ("max_answered", ""), ("max_keys", ", or null")):
        expected = f"callbacks.rag_eval.{name}: expected 1 or more{null}, got 0"
        with pytest.raises(ConfigError, match=re.escape(expected)):
            replace(SETTINGS, **{name: 0})
