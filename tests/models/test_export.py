import json

import numpy as np
import pytest
import torch

from embedder.errors import ConfigError, DataError
from embedder.models.checkpoint import load_trained
from embedder.models.encoder import EncoderConfig
from embedder.models.export import export
from embedder.models.pooling import cls_pooling, last_pooling, mean_pooling
from embedder.types import TaskSides

TASKS = {"qa": TaskSides("ask: ", "read: ", 64, 128), "tool": TaskSides("request: ", "tool: ", 32, 128)}
TEXTS = ["Who designed the lighthouse at Oru?", "Maren Tolvik", "x"]


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_sentence_transformers_gives_our_vectors(bert_directory, tmp_path, pooling):
    from sentence_transformers import SentenceTransformer

    encoder = EncoderConfig(name=str(bert_directory), pooling=pooling).build()
    directory = export(encoder, TASKS, tmp_path / "export", {"note": "test"})
    theirs = SentenceTransformer(str(directory), device="cpu")
    for name, instruction in (
        ("qa_query", "ask: "),
        ("qa_key", "read: "),
        ("tool_query", "request: "),
        ("tool_key", "tool: "),
    ):
        np.testing.assert_allclose(
            theirs.encode(TEXTS, prompt_name=name), encoder.encode(TEXTS, instruction), atol=1e-5
        )
    np.testing.assert_allclose(theirs.encode_query(TEXTS), encoder.encode(TEXTS, "ask: "), atol=1e-5)
    np.testing.assert_allclose(theirs.encode_document(TEXTS), encoder.encode(TEXTS, "read: "), atol=1e-5)
    assert not list(directory.rglob("*.bin"))  # safetensors only


def test_an_export_loads_with_its_instructions_and_a_changed_one_is_refused(bert_directory, tmp_path):
    encoder = EncoderConfig(name=str(bert_directory), pooling="mean").build()
    directory = export(encoder, TASKS, tmp_path / "export", {})
    trained = load_trained(directory)
    assert trained.tasks == TASKS
    np.testing.assert_allclose(trained.encoder.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)
    description = json.loads((directory / "embedder.json").read_text())
    description["pooling"] = "cls"
    (directory / "embedder.json").write_text(json.dumps(description))
    with pytest.raises(DataError, match="the vectors of the probe texts differ"):
        load_trained(directory)
    description["pooling"] = "mean"
    description["tasks"]["tool"]["key_instruction"] = "a tool: "
    (directory / "embedder.json").write_text(json.dumps(description))
    with pytest.raises(DataError, match="the vectors of the probe texts as key of tool differ"):
        load_trained(directory)


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"{}"])
def test_a_damaged_description_is_one_clear_error(bert_directory, tmp_path, damage):
    encoder = EncoderConfig(name=str(bert_directory), pooling="mean").build()
    path = export(encoder, TASKS, tmp_path / "export", {}) / "embedder.json"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"embedder\.json: a damaged description"):
        load_trained(path.parent)


def test_damaged_weights_are_one_clear_error(bert_directory, tmp_path):
    encoder = EncoderConfig(name=str(bert_directory), pooling="mean").build()
    weights = export(encoder, TASKS, tmp_path / "export", {}) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ConfigError, match=r"encoder\.name: expected a model that can be loaded"):
        load_trained(weights.parent)


def test_a_model_of_others_is_encoded_with_its_own_prompts(bert_directory, tmp_path):
    from sentence_transformers import SentenceTransformer

    encoder = EncoderConfig(name=str(bert_directory), pooling="mean").build()
    theirs = SentenceTransformer(str(export(encoder, TASKS, tmp_path / "export", {})), device="cpu")
    theirs.prompts = {"query": "find: ", "document": ""}
    theirs.save(str(tmp_path / "theirs"), create_model_card=False)
    assert load_trained(tmp_path / "theirs").sides == TaskSides("find: ")


def test_vectors_do_not_depend_on_the_batch_and_keep_their_order(bert_directory):
    texts = [f"{'word ' * (7 * i % 23)}{i}" for i in range(40)]
    together = EncoderConfig(name=str(bert_directory), pooling="mean", encode_tokens=256).build()
    alone = np.concatenate([together.encode([text]) for text in texts])
    together.train()
    np.testing.assert_allclose(together.encode(texts), alone, atol=1e-5)
    assert together.training


def test_pooling_by_hand_with_padding_on_either_side():
    states = torch.tensor([[[1.0], [2.0], [9.0]], [[9.0], [3.0], [5.0]]])
    mask = torch.tensor([[1, 1, 0], [0, 1, 1]])
    assert cls_pooling(states, mask).tolist() == [[1.0], [3.0]]
    assert mean_pooling(states, mask).tolist() == [[1.5], [4.0]]
    assert last_pooling(states, mask).tolist() == [[2.0], [5.0]]


def test_an_unknown_pooling_or_model_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigError, match=r"encoder.pooling: expected one of \['cls', 'last', 'mean'\], got 'max'"):
        EncoderConfig(name="x", pooling="max")
    with pytest.raises(ConfigError, match=r"encoder.name"):
        EncoderConfig(name=str(tmp_path), pooling="mean").build()
