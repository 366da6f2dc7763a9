import json
import re
import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from embedder.encoders.checkpoint import load_trained
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.errors import ConfigError, MissingExtraError
from embedder.types import Reading, TaskSides
from tests.tiny_models import ROBERTA_TOKENS, adapted, tiny_backbone

TEXTS = ["Oru", "Who designed the lighthouse at Oru?", "Oru " * 20, "the", "at Oru and at Oru", "Who " * 11]

ENCODERS = {
    "bert": {},
    "roberta": {},
    "xlm-roberta": {},
    "distilbert": {},
    "mpnet": {},
    # A window of 4 tokens to either side in the first layer, all tokens in the second.
    "modernbert": {"local_attention": 8, "layer_types": ["sliding_attention", "full_attention"]},
}
DECODERS = {
    "llama": {},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    "mistral": {"sliding_window": None},
    "gemma": {"head_dim": 8},
}
GROUPED = {"num_key_value_heads": 2}


def one_at_a_time(encoder, texts):
    """The vectors by the definition: no batch, no padding, pooling by plain indexing."""
    vectors = []
    encoder.eval()
    for text in texts:
        ids = torch.tensor([encoder.tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            states = encoder.backbone(input_ids=ids).last_hidden_state[0].float()
        pooled = {"cls": states[0], "last": states[-1], "mean": states.mean(0)}[encoder.config.pooling]
        vectors.append(pooled / pooled.norm())
    return torch.stack(vectors).numpy()


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("kind", ENCODERS)
def test_padding_changes_no_vector_of_an_encoder(tmp_path, kind, pooling):
    special = ROBERTA_TOKENS if kind in ("roberta", "xlm-roberta", "mpnet") else {"pad_token": "<pad>"}
    directory = tiny_backbone(tmp_path, kind, special, **ENCODERS[kind])
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling=pooling))
    np.testing.assert_allclose(encoder.encode(TEXTS, Reading("key")), one_at_a_time(encoder, TEXTS), atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("kind", DECODERS)
def test_padding_changes_no_vector_of_a_decoder(tmp_path, kind, pooling, bidirectional):
    directory = tiny_backbone(tmp_path, kind, **DECODERS[kind], **GROUPED)
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling=pooling, bidirectional=bidirectional))
    np.testing.assert_allclose(encoder.encode(TEXTS, Reading("key")), one_at_a_time(encoder, TEXTS), atol=1e-5)


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "mpnet"])
def test_positions_that_start_after_the_padding_leave_two_tokens_fewer(tmp_path, kind):
    directory = tiny_backbone(tmp_path, kind, ROBERTA_TOKENS, max_position_embeddings=66)
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling="mean"))
    assert encoder.max_length == 64
    tokens = encoder.tokenize(["Oru " * 200])
    assert tokens["input_ids"].shape == (1, 64)
    assert torch.isfinite(encoder(tokens, "query")).all()  # a 65th token would look beyond the table
    with pytest.raises((IndexError, RuntimeError)):
        encoder({"input_ids": torch.full((1, 65), 5), "attention_mask": torch.ones(1, 65, dtype=torch.long)}, "query")


def states_after_a_change_at_the_end(encoder):
    """Hidden states of two texts that differ in their last token only, [L, D] each."""
    with torch.inference_mode():
        return [
            encoder.eval().backbone(input_ids=torch.tensor([[5, 6, 7, 8, 9, 10, last]])).last_hidden_state[0]
            for last in (11, 12)
        ]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", DECODERS)
def test_a_later_token_changes_an_earlier_state_only_when_attention_goes_both_ways(tmp_path, kind, attention):
    directory = tiny_backbone(tmp_path, kind, **DECODERS[kind], **GROUPED)
    settings = {"name": str(directory), "pooling": "mean", "attention": attention}
    first, second = states_after_a_change_at_the_end(TextEncoder(EncoderConfig(**settings)))
    torch.testing.assert_close(first[:-1], second[:-1], rtol=0, atol=0)
    first, second = states_after_a_change_at_the_end(TextEncoder(EncoderConfig(**settings, bidirectional=True)))
    assert ((first - second).abs().amax(1) > 1e-3).all()  # the first token sees the last one too


def test_a_sliding_window_opens_to_both_sides(tmp_path):
    # A window of 2 reaches 2 tokens; two layers reach 4. The last of 7 tokens is seen by tokens 2 to 6 (from 0).
    directory = tiny_backbone(tmp_path, "mistral", sliding_window=2, **GROUPED)
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling="mean", bidirectional=True))
    first, second = states_after_a_change_at_the_end(encoder)
    changed = (first - second).abs().amax(1) > 1e-3
    assert changed.tolist() == [False, False, True, True, True, True, True]


def test_a_model_that_can_only_look_back_is_refused(tmp_path):
    tiny_backbone(tmp_path, "mamba", state_size=4)
    with pytest.raises(ConfigError, match=r"encoder\.bidirectional: expected false, since MambaModel only looks back"):
        TextEncoder(EncoderConfig(name=str(tmp_path), pooling="mean", bidirectional=True))


def test_an_end_token_is_appended_and_kept_when_the_text_is_cut(tmp_path):
    directory = tiny_backbone(tmp_path, "llama", **GROUPED)
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling="last"))
    plain = TextEncoder(EncoderConfig(name=str(directory), pooling="mean")).tokenizer
    end = encoder.tokenizer.eos_token_id
    whole = plain("Who designed the lighthouse")["input_ids"]
    assert end not in whole
    assert encoder.tokenize(["Who designed the lighthouse"])["input_ids"].tolist() == [[*whole, end]]
    assert encoder.tokenize(["Who designed the lighthouse"], max_length=3)["input_ids"].tolist() == [[*whole[:2], end]]


def test_a_tokenizer_that_ends_texts_itself_is_left_alone(tmp_path):
    from transformers import AutoTokenizer

    directory = tiny_backbone(tmp_path, "llama", ROBERTA_TOKENS, **GROUPED)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.add_bos_token = tokenizer.add_eos_token = True
    tokenizer.save_pretrained(directory)
    ids = TextEncoder(EncoderConfig(name=str(directory), pooling="last")).tokenize(["Oru"])["input_ids"][0].tolist()
    assert ids == tokenizer("Oru")["input_ids"]
    assert (ids[0], ids[-1], ids.count(2)) == (0, 2, 1)


def test_the_token_that_starts_texts_stays_when_one_that_ends_them_is_added(tmp_path):
    from transformers import AutoTokenizer

    directory = tiny_backbone(tmp_path, "llama", ROBERTA_TOKENS, **GROUPED)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.add_bos_token = True
    tokenizer.save_pretrained(directory)
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling="last"))
    assert encoder.tokenize(["Oru"])["input_ids"].tolist() == [[*tokenizer("Oru")["input_ids"], 2]]


def test_a_decoder_without_a_padding_token_pads_with_its_end_token(tmp_path):
    directory = tiny_backbone(tmp_path / "llama", "llama", {"eos_token": "</s>"}, **GROUPED)
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling="last"))
    np.testing.assert_allclose(encoder.encode(TEXTS, Reading("key")), one_at_a_time(encoder, TEXTS), atol=1e-5)
    neither = tiny_backbone(tmp_path / "neither", "llama", {"bos_token": "<s>"}, **GROUPED)
    with pytest.raises(ConfigError, match=r"encoder\.name: expected a model whose tokenizer has a token to pad"):
        TextEncoder(EncoderConfig(name=str(neither), pooling="mean"))


def gradients_of(encoder):
    vectors = encoder(encoder.tokenize(TEXTS), "query")
    (vectors * torch.linspace(-1, 1, vectors.numel()).view_as(vectors)).sum().backward()
    return vectors.detach(), {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
def test_micro_batches_change_neither_vectors_nor_gradients(bert_directory, pooling):
    def run(budget):
        return gradients_of(
            TextEncoder(EncoderConfig(name=str(bert_directory), pooling=pooling, micro_batch_tokens=budget)).eval()
        )

    vectors, gradients = run(1 << 20)
    for budget in (1, 30, 60):
        other, others = run(budget)
        torch.testing.assert_close(other, vectors, atol=1e-6, rtol=0)
        assert others.keys() == gradients.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(others[name], gradient, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("lora", [None, {"r": 2}])
@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_checkpointed_layers_give_the_same_gradients(tmp_path, kind, lora):
    directory = tiny_backbone(tmp_path, kind, **(GROUPED if kind == "llama" else {}))

    def run(checkpointing):
        torch.manual_seed(0)  # of new adapters
        encoder = TextEncoder(
            EncoderConfig(name=str(directory), pooling="mean", gradient_checkpointing=checkpointing, lora=lora)
        )
        passes = []
        layer = next(m for n, m in encoder.backbone.named_modules() if re.search(r"layers?\.0$", n))
        first = next(m for m in layer.modules() if not list(m.children()))
        first.register_forward_hook(lambda *_: passes.append(1))
        return *gradients_of(encoder), len(passes)

    vectors, gradients, once = run(checkpointing=False)
    other, others, passes = run(checkpointing=True)
    assert passes == 2 * once  # every layer is computed again in the backward pass
    torch.testing.assert_close(other, vectors, atol=1e-6, rtol=0)
    assert others.keys() == gradients.keys()
    assert gradients
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, atol=1e-6, rtol=1e-5)


def test_encoding_works_with_checkpointed_layers(bert_directory):
    plain = EncoderConfig(name=str(bert_directory), pooling="mean")
    checkpointed = EncoderConfig(name=str(bert_directory), pooling="mean", gradient_checkpointing=True)
    vectors = [TextEncoder(one).encode(TEXTS, Reading("key")) for one in (plain, checkpointed)]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


def test_micro_batches_stay_within_their_budget_without_padding_to_the_longest_of_all(bert_directory):
    encoder = TextEncoder(
        EncoderConfig(name=str(bert_directory), pooling="mean", unpadded=False, micro_batch_tokens=30)
    )
    sizes = []
    encoder.backbone.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    tokens = encoder.tokenize(TEXTS)
    encoder(tokens, "query")
    assert sum(rows for rows, _ in sizes) == len(TEXTS)
    assert all(rows == 1 or rows * width <= 30 for rows, width in sizes)
    assert sum(rows * width for rows, width in sizes) < 0.6 * tokens["input_ids"].numel()


def test_separate_encoders_start_alike_and_are_trained_apart(bert_directory):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", shared=False))
    tokens = encoder.tokenize(TEXTS)
    torch.testing.assert_close(encoder(tokens, "query"), encoder(tokens, "key"))
    encoder(tokens, "key")[:, 0].sum().backward()
    assert all(p.grad is None for p in encoder.backbone.parameters())
    assert any(p.grad is not None for p in encoder.key_backbone.parameters())
    with torch.no_grad():
        encoder.key_backbone.embeddings.word_embeddings.weight.mul_(-1)
    assert np.abs(encoder.encode(TEXTS, Reading("query")) - encoder.encode(TEXTS, Reading("key"))).max() > 0.1


def test_a_cut_vector_is_the_start_of_the_whole_one_at_unit_length(bert_directory):
    whole = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean")).encode(TEXTS, Reading("key"))
    cut = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", dimension=8))
    assert cut.dimension == 8
    expected = normalize(torch.from_numpy(whole)[:, :8], dim=-1).numpy()
    np.testing.assert_allclose(cut.encode(TEXTS, Reading("key")), expected, atol=1e-6)


def test_weights_in_bfloat16_give_vectors_in_float32(bert_directory):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", dtype="bfloat16"))
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.bfloat16}
    vectors = encoder(encoder.tokenize(TEXTS), "query")
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(TEXTS)), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"micro_batch_tokens": 0}, r"encoder\.micro_batch_tokens"),
        ({"dimension": 0}, r"encoder\.dimension: expected 1 or more, or null, got 0"),
        ({"dimensions": [64, 128]}, r"encoder\.dimensions: expected null or falling whole numbers"),
        ({"dimensions": []}, r"encoder\.dimensions"),
        ({"dtype": "float64"}, r"encoder\.dtype: expected 'float32' or 'bfloat16', got 'float64'"),
        ({"attention": "flash"}, r"encoder\.attention: expected one of"),
        (
            {"lora": {"rank": 8}},
            r"encoder\.lora: expected settings named alpha, dropout, r, target_modules, got \['rank'\]",
        ),
        ({"lora": {"r": 0}}, r"encoder\.lora\.r: expected 1 or more, got 0"),
        ({"lora": {"target_modules": "q_proj"}}, r"encoder\.lora\.target_modules: expected all-linear or a list"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        EncoderConfig(name="x", pooling="mean", **settings)


def test_settings_that_this_model_or_machine_cannot_do_are_refused(bert_directory, tmp_path):
    for settings, message in (
        ({"dimension": 33}, r"encoder\.dimension: expected at most the 32 numbers of a vector, got 33"),
        ({"dimension": 8, "dimensions": [16, 8]}, r"encoder\.dimensions: expected at most the 8 numbers"),
        ({"lora": {"target_modules": ["q_proj"]}}, r"encoder\.lora\.target_modules: .* of BertModel, got \['q_proj'\]"),
    ):
        with pytest.raises(ConfigError, match=message):
            TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", **settings))
    bloom = tiny_backbone(tmp_path, "bloom")
    with pytest.raises(ConfigError, match=r"encoder\.attention: .*, got 'sdpa'"):
        TextEncoder(EncoderConfig(name=str(bloom), pooling="mean", attention="sdpa"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="flash attention may be there")
def test_flash_attention_that_is_not_there_is_a_clear_error(bert_directory):
    with pytest.raises(ConfigError, match=r"encoder\.attention: expected an attention that can be loaded"):
        TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", attention="flash_attention_2"))


def test_a_new_adapter_changes_nothing_and_alone_is_trained(tmp_path):
    directory = tiny_backbone(tmp_path, "llama", **GROUPED)
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling="last", lora={"r": 2}))
    plain = TextEncoder(EncoderConfig(name=str(directory), pooling="last"))
    np.testing.assert_allclose(encoder.encode(TEXTS, Reading("key")), plain.encode(TEXTS, Reading("key")), atol=1e-6)
    trained = {name: p.numel() for name, p in encoder.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    # r (in + out): q and o 2 * 64, k and v 2 * (32 + 16), gate, up and down 2 * (32 + 64); 2 layers.
    assert sum(trained.values()) == 2 * (2 * 128 + 2 * 96 + 3 * 192)


def test_an_adapter_keeps_float32_beside_weights_in_bfloat16(tmp_path):
    directory = tiny_backbone(tmp_path, "llama", **GROUPED)
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling="last", dtype="bfloat16", lora={"r": 2}))
    dtypes = {parameter.requires_grad: parameter.dtype for parameter in encoder.parameters()}
    assert dtypes == {True: torch.float32, False: torch.bfloat16}
    assert encoder(encoder.tokenize(TEXTS), "query").requires_grad


def test_the_pooler_of_bert_is_trained_neither_itself_nor_by_an_adapter(bert_directory):
    encoder = adapted(bert_directory, pooling="mean")
    encoder(encoder.tokenize(TEXTS), "query")[:, 0].sum().backward()
    assert all(p.grad is not None for p in encoder.parameters() if p.requires_grad)


SIDES = {"qa": TaskSides("ask: ", "read: ", 64, 128)}
EVERYTHING = {
    "bidirectional": True,
    "shared": False,
    "gradient_checkpointing": True,
    "dimension": 16,
    "dimensions": [16, 8],
    "attention": "eager",
}


@pytest.mark.parametrize("settings", [{}, {"shared": False}, EVERYTHING])
def test_a_checkpoint_and_an_export_bring_back_the_whole_encoder(tmp_path, settings):
    from embedder.encoders.checkpoint import describe
    from embedder.encoders.checkpoint_file import CHECKPOINT_KEY

    directory = tiny_backbone(tmp_path / "llama", "llama", **GROUPED)
    encoder = adapted(directory, pooling="last", **settings)
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    torch.save({"state_dict": state, CHECKPOINT_KEY: describe(encoder, SIDES, {})}, tmp_path / "one.ckpt")
    loaded = load_trained(tmp_path / "one.ckpt").encoder
    assert loaded.config == encoder.config
    exported = load_trained(export(encoder, SIDES, tmp_path / "export", {})).encoder
    for side in ("query", "key"):
        expected = encoder.encode(TEXTS, Reading(side, "ask: "))
        np.testing.assert_allclose(loaded.encode(TEXTS, Reading(side, "ask: ")), expected, atol=1e-6)
        np.testing.assert_allclose(exported.encode(TEXTS, Reading(side, "ask: ")), expected, atol=1e-5)
    plain = TextEncoder(EncoderConfig(name=str(directory), pooling="last")).encode(TEXTS, Reading("key", "ask: "))
    assert np.abs(plain[:, : expected.shape[1]] - expected).max() > 0.1
    assert exported.config.dimensions == encoder.config.dimensions
    assert not any("lora" in name for name, _ in exported.named_parameters())
    stored = json.loads((tmp_path / "export" / "embedder.json").read_text())["encoder"]
    assert EncoderConfig(**stored) == encoder.config


def test_separate_encoders_are_not_loaded_as_one(bert_directory, tmp_path):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", shared=False))
    directory = export(encoder, SIDES, tmp_path / "export", {})
    with pytest.raises(ConfigError, match=r"encoder\.shared: expected false, since .*export holds an encoder for each"):
        TextEncoder(EncoderConfig(name=str(directory), pooling="mean"))


def test_adapters_without_the_package_name_what_to_install(bert_directory, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)  # as Python marks a module that cannot be imported
    with pytest.raises(
        MissingExtraError, match=r"encoder\.lora needs the package 'peft'.*pip install 'embedder-llm\[lora\]'"
    ):
        TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", lora={"r": 2}))


def test_a_thread_that_tokenises_ahead_changes_no_bit(bert_directory, monkeypatch):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", encode_tokens=32))
    vectors = encoder.encode(TEXTS * 5, Reading("key", "Read: "))
    monkeypatch.setattr("embedder.encoders.encoder.ahead", lambda work, items: ((one, work(one)) for one in items))
    np.testing.assert_array_equal(encoder.encode(TEXTS * 5, Reading("key", "Read: ")), vectors)
