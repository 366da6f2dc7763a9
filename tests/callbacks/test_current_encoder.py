"""All callbacks that index a corpus encode it as the steps of training are computed."""

import logging
from dataclasses import replace

import lightning as L
import numpy as np
import pytest
import torch

from embedder.callbacks.rag_eval import RagEvalCallback, RagEvalSettings
from embedder.callbacks.reindex import ReindexCallback
from embedder.callbacks.retrieval_eval import RetrievalEvalCallback
from embedder.consumers.single_shot import SingleShot
from embedder.data.examples import Examples
from embedder.data.prompts import QuestionPrompt
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.index.faiss_index import FaissIndex
from embedder.training.datamodule import DataSettings, RetrieverDataModule
from embedder.training.module import RetrieverModule
from embedder.training.schedule import AdamWLinear
from tests.callbacks.test_reindex import SETTINGS, TASK, dataset, opened, refresh_of  # noqa: F401  # a fixture
from tests.consumers.scripted import ScriptedLanguageModel

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)

PROMPT = QuestionPrompt(Examples(n=0))


@pytest.mark.parametrize("name", ["retrieval_eval", "rag_eval", "reindex"])
def test_keys_and_queries_are_encoded_in_the_precision_of_the_steps(
    dataset,  # noqa: F811
    bert_directory,
    tmp_path,
    monkeypatch,
    name,
):
    whole = TextEncoder.encode
    seen = []

    def encode(self, texts, reading, **kwargs):
        vectors = whole(self, texts, reading, **kwargs)
        with torch.autocast("cpu", torch.bfloat16):
            seen.append((reading.side, np.array_equal(vectors, whole(self, texts, reading, **kwargs))))
        return vectors

    def write(prompt):
        seen.append(("llm", not torch.is_autocast_enabled("cpu")))  # its precision is its own
        return "red"

    monkeypatch.setattr(TextEncoder, "encode", encode)
    llm = ScriptedLanguageModel(write)
    made = {
        "retrieval_eval": lambda: RetrievalEvalCallback([dataset], FaissIndex),
        "rag_eval": lambda: RagEvalCallback(RagEvalSettings(1), [dataset], [PROMPT], FaissIndex, lambda: llm),
        "reindex": lambda: ReindexCallback(
            replace(SETTINGS, every_n_steps=1), refresh_of(SETTINGS), opened(bert_directory), tmp_path / "negatives"
        ),
    }
    task = replace(TASK, consumer=SingleShot())
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    module = RetrieverModule(encoder, {"tool": task}, AdamWLinear(lr=1e-3, warmup=0.0))
    data = RetrieverDataModule([dataset], {"tool": task}, encoder.tokenize, DataSettings(batch_size=4, seed=0))
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=2,
        precision="bf16-mixed",
        callbacks=[made[name]()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=None,
        val_check_interval=2,
    )
    trainer.fit(module, data)
    assert {what for what, _ in seen} == {"key", "query"} | ({"llm"} if name == "rag_eval" else set())
    assert all(right for _, right in seen), seen
