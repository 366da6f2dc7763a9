"""Query-only training: keys without gradients, the same vectors, and an export whose keys are those of the base."""

import json

import numpy as np
import pytest
import torch

from embedder.encoders.checkpoint import load_trained
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.encoders.key_side import key_fingerprint
from embedder.encoders.query_only import deployed_keys
from embedder.errors import ConfigError, DataError
from embedder.types import Reading, TaskSides
from tests.tiny_models import ONE_TOKEN, tiny_backbone

TEXTS = ["Who designed the lighthouse at Oru?", "Maren Tolvik", "x", "a long text about lighthouses " * 9]
LORA = {"r": 2, "alpha": 4.0, "dropout": 0.5}
FORMS = pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])


def base_folder(path, prompt="passage: "):
    """A sentence-transformers folder of others, with a prompt for documents and a Dense layer of its own."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

    tiny_backbone(path / "bert", "bert", ONE_TOKEN, hidden_dropout_prob=0.3)
    torch.manual_seed(3)
    modules = [Transformer(str(path / "bert"), max_seq_length=24), Pooling(32, "mean"), Dense(32, 16), Normalize()]
    prompts = {"query": "query: ", "document": prompt}
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(path / "base"))
    return path / "base"


def query_only(folder, lora=None, **settings):
    return TextEncoder(EncoderConfig(str(folder), trainable="query", lora=lora, **settings))


def train_a_bit(encoder):
    """Three steps away from the start, dropout on."""
    optimizer = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=1.0)
    tokens = encoder.tokenize(TEXTS)
    for _ in range(3):
        (encoder(tokens, "query") * encoder(tokens, "key")).sum(1).mean().neg().sub(
            encoder(tokens, "query")[0, 0]
        ).backward()
        optimizer.step()
        optimizer.zero_grad()


def sides(encoder):
    reading = deployed_keys(encoder, ["qa"])["qa"]
    return {"qa": TaskSides("ask: ", reading.instruction, 20, reading.max_length)}


@FORMS
def test_keys_have_no_gradient_and_stay_those_of_the_base_with_dropout_on(tmp_path, lora):
    folder = base_folder(tmp_path)
    encoder = query_only(folder, lora)
    assert encoder.training
    tokens = encoder.tokenize(TEXTS)
    before = TextEncoder(EncoderConfig(str(folder))).eval()(tokens, "key").detach()
    assert not encoder(tokens, "key").requires_grad
    train_a_bit(encoder)
    assert torch.equal(encoder(tokens, "key"), before)
    assert (encoder.eval()(tokens, "query") - before).abs().max() > 1e-2
    trained = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert trained == {name for name, p in query_only(folder, lora).named_parameters() if p.requires_grad}
    assert all("lora_" in name if lora else not name.startswith("key_") for name in trained)


@FORMS
def test_the_export_has_the_keys_of_the_base_folder_bit_for_bit(tmp_path, lora):
    from sentence_transformers import SentenceTransformer

    folder = base_folder(tmp_path)
    encoder = query_only(folder, lora)
    train_a_bit(encoder)
    exported = export(encoder, sides(encoder), tmp_path / "export", {})
    theirs = [SentenceTransformer(str(path), device="cpu") for path in (folder, exported)]
    of_base, of_export = (model.encode_document(TEXTS) for model in theirs)
    np.testing.assert_array_equal(of_export, of_base)
    queries = theirs[1].encode_query(TEXTS)
    np.testing.assert_allclose(queries, encoder.encode(TEXTS, Reading("query", "ask: ", 20)), atol=1e-5)
    assert np.abs(queries - theirs[0].encode_query(TEXTS, prompt="ask: ")).max() > 1e-2
    loaded = load_trained(exported)
    np.testing.assert_allclose(loaded.encoder.encode(TEXTS, loaded.tasks["qa"].key), of_base, atol=1e-6)
    base = TextEncoder(EncoderConfig(str(folder)))
    assert key_fingerprint(loaded.encoder) == key_fingerprint(base) == key_fingerprint(encoder)
    stored = json.loads((exported / "embedder.json").read_text())
    assert list(stored["key_fingerprints"]) == ["qa"]
    assert f"(fingerprint `{stored['key_fingerprints']['qa'][:12]}` (qa))" in (exported / "README.md").read_text()
    assert not any("lora" in name for name, _ in loaded.encoder.named_parameters())


def test_adapters_of_queries_lie_beside_one_set_of_weights(tmp_path):
    folder = base_folder(tmp_path)
    assert query_only(folder, LORA).key_backbone is None
    assert query_only(folder).key_backbone is not None


def test_the_base_of_a_query_only_training_may_be_an_export_with_keys_of_its_own(bert_directory, tmp_path):
    before = TextEncoder(EncoderConfig(str(bert_directory), "mean", shared=False))
    with torch.no_grad():
        before.key_backbone.embeddings.word_embeddings.weight.mul_(-1)
    tasks = {"qa": TaskSides("ask: ", "read: ", 20, 40), "tool": TaskSides("request: ", "tool: ", 20, 30)}
    base = export(before, tasks, tmp_path / "base", {})
    for lora in (None, LORA):
        encoder = query_only(base, lora)
        assert deployed_keys(encoder, ["qa", "tool", "other"]) == {
            "qa": Reading("key", "read: ", 40),
            "tool": Reading("key", "tool: ", 30),
            "other": Reading("key", "read: ", 40),  # the prompt of the folder
        }
        train_a_bit(encoder)
        loaded = load_trained(export(encoder, tasks, tmp_path / f"export {lora is None}", {}))
        for name in tasks:
            expected = before.encode(TEXTS, tasks[name].key)
            np.testing.assert_allclose(loaded.encoder.encode(TEXTS, loaded.tasks[name].key), expected, atol=1e-6)


def test_an_instruction_that_the_folder_does_not_know_of_is_named(bert_directory, tmp_path):
    encoder = query_only(base_folder(tmp_path), key_instruction="text: ")
    assert deployed_keys(encoder, ["qa"]) == {"qa": Reading("key", "text: ", 24)}
    assert deployed_keys(query_only(bert_directory), ["qa"]) == {"qa": Reading("key", "", 256)}
    with pytest.raises(ConfigError, match=r"encoder\.key_instruction: expected null unless encoder\.trainable=query"):
        EncoderConfig("x", key_instruction="text: ")


@FORMS
def test_a_checkpoint_brings_back_both_sides(tmp_path, lora):
    from embedder.encoders.checkpoint import describe
    from embedder.encoders.checkpoint_file import CHECKPOINT_KEY

    encoder = query_only(base_folder(tmp_path), lora)
    train_a_bit(encoder)
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    torch.save({"state_dict": state, CHECKPOINT_KEY: describe(encoder, sides(encoder), {})}, tmp_path / "one.ckpt")
    loaded = load_trained(tmp_path / "one.ckpt").encoder
    assert loaded.config == encoder.config
    for side in ("query", "key"):
        np.testing.assert_array_equal(loaded.encode(TEXTS, Reading(side)), encoder.encode(TEXTS, Reading(side)))


@FORMS
def test_checkpoints_need_the_fingerprint_of_the_keys_once(tmp_path, monkeypatch, lora):
    from embedder.encoders import key_side
    from embedder.encoders.checkpoint import describe

    encoder = query_only(base_folder(tmp_path), lora)
    keys = key_fingerprint(encoder)
    train_a_bit(encoder)
    hashed = describe(encoder, sides(encoder), {})["key_fingerprints"]
    monkeypatch.setattr(key_side, "key_fingerprint", None)  # a call of it would fail
    assert describe(encoder, sides(encoder), {}, keys)["key_fingerprints"] == hashed


@FORMS
def test_keys_that_changed_are_found_at_the_export_and_when_it_is_read(tmp_path, lora):
    folder = base_folder(tmp_path)
    encoder = query_only(folder, lora)
    exported = export(encoder, sides(encoder), tmp_path / "export", {})
    (exported / "digests.json").unlink()
    path = exported / "embedder.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"tasks": {"qa": stored["tasks"]["qa"] | {"key_max_length": 12}}}))
    with pytest.raises(DataError, match=r"the keys of qa are not those of the base encoder \(fingerprint"):
        load_trained(exported)
    with torch.no_grad():
        backbone, _ = encoder.side("key")
        next(p for name, p in backbone.named_parameters() if "intermediate" in name and "lora" not in name).mul_(1.001)
    with pytest.raises(DataError, match=r"base: the keys of qa are not those of the base encoder"):
        export(encoder, sides(encoder), tmp_path / "changed", {})
    unchanged = query_only(folder, lora)
    with pytest.raises(DataError, match=r"base: the keys of qa are not those of the base encoder"):
        export(unchanged, {"qa": TaskSides("ask: ", "another: ", 20, 24)}, tmp_path / "changed", {})
    assert not (tmp_path / "changed").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"dimension": 8},
            r"encoder\.dimension: expected None with encoder\.trainable=query, because keys have to stay",
        ),
        ({"dtype": "bfloat16"}, r"encoder\.dtype: expected float32 with encoder\.trainable=query"),
        ({"bidirectional": True}, r"encoder\.bidirectional: expected False with encoder\.trainable=query"),
    ],
)
def test_what_would_change_the_keys_is_refused(bert_directory, settings, message):
    with pytest.raises(ConfigError, match=message):
        query_only(bert_directory, **settings)


@pytest.mark.parametrize("kind", ["roberta", "distilbert", "qwen3", "modernbert"])
def test_an_export_has_the_fingerprint_of_its_base_whatever_the_model(tmp_path, kind):
    settings = {"num_key_value_heads": 2, "head_dim": 8} if kind == "qwen3" else {}
    folder = tiny_backbone(tmp_path / "base", kind, **settings)
    encoder = query_only(folder, {"r": 2}, pooling="last" if kind == "qwen3" else "mean")
    export(encoder, sides(encoder), tmp_path / "export", {})  # compares them
