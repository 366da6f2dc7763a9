"""Model folders: what they say of themselves is used or refused, their weights are whole, their code never runs."""

import io
import json
import shutil
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

from embedder.encoders.checkpoint import describe, load_trained
from embedder.encoders.checkpoint_file import CHECKPOINT_KEY, check_continues
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.encoders.sentence_encoder import SentenceTransformerEncoder
from embedder.errors import ConfigError, DataError, EmbedderError
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.models.hub import local_folder
from embedder.models.loading import loading
from embedder.models.weights import check_kinds
from embedder.preparation.dense import encoder_protocol
from embedder.types import Reading, TaskSides
from tests.tiny_models import tiny_backbone, tiny_tokenizer

TEXTS = ["Who designed the lighthouse at Oru?", "Maren Tolvik", "The treaty of 1612. " * 12]
SIDES = {"qa": TaskSides("ask: ", "read: ", 64, 128)}


def sentence_folder(base, directory, *modules, pooling="cls", length=40, **settings):
    torch.manual_seed(0)
    parts = [Transformer(str(base), max_seq_length=length), Pooling(32, pooling_mode=pooling), *modules]
    SentenceTransformer(modules=parts, device="cpu", **settings).save(str(directory), create_model_card=False)
    return directory


@pytest.mark.parametrize("pooling", ["cls", "mean", "lasttoken"])
def test_a_base_with_linear_layers_is_that_model_and_trains_and_is_exported(bert_directory, tmp_path, pooling):
    layers = [Dense(32, 16), Dense(16, 24, bias=False, activation_function=torch.nn.Identity()), Normalize()]
    prompts = {"query": "find: ", "document": "text: "}
    base = sentence_folder(bert_directory, tmp_path / "base", *layers, pooling=pooling, prompts=prompts)
    theirs = SentenceTransformer(str(base), device="cpu")
    encoder = TextEncoder(EncoderConfig(name=str(base)))
    assert (encoder.config.pooling, encoder.dimension) == ({"lasttoken": "last"}.get(pooling, pooling), 24)
    # The last text is longer than the 40 tokens that the folder reads.
    np.testing.assert_allclose(encoder.encode(TEXTS, Reading("key")), theirs.encode(TEXTS, prompt=""), atol=1e-5)
    of_others = load_trained(base)
    assert of_others.sides == TaskSides("find: ", "text: ")
    np.testing.assert_allclose(
        of_others.encoder.encode(TEXTS, of_others.sides.query), theirs.encode_query(TEXTS), atol=1e-5
    )
    encoder(encoder.tokenize(TEXTS), "query")[:, 0].sum().backward()
    with torch.no_grad():
        for parameter in encoder.head.parameters():
            assert parameter.grad.abs().sum() > 0
            parameter.sub_(parameter.grad)
    exported = export(encoder, SIDES, tmp_path / "export", {})
    expected = encoder.encode(TEXTS, Reading("key", "read: ", 128))
    assert np.abs(expected - theirs.encode(TEXTS, prompt="read: ")).max() > 1e-3
    np.testing.assert_allclose(
        SentenceTransformer(str(exported), device="cpu").encode_document(TEXTS), expected, atol=1e-5
    )
    np.testing.assert_allclose(load_trained(exported).encoder.encode(TEXTS, SIDES["qa"].key), expected, atol=1e-5)
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    torch.save({"state_dict": state, CHECKPOINT_KEY: describe(encoder, SIDES, {})}, tmp_path / "one.ckpt")
    np.testing.assert_allclose(
        load_trained(tmp_path / "one.ckpt").encoder.encode(TEXTS, SIDES["qa"].key), expected, atol=1e-5
    )


@pytest.mark.parametrize("dimension", [8, 16])
def test_separate_encoders_with_linear_layers_and_a_cut_are_exported(bert_directory, tmp_path, dimension):
    base = sentence_folder(bert_directory, tmp_path / "base", Dense(32, 16), Normalize())
    encoder = TextEncoder(EncoderConfig(name=str(base), shared=False, dimension=dimension))
    with torch.no_grad():
        encoder.key_head[0].linear.weight.mul_(-1)
    exported = export(encoder, SIDES, tmp_path / "export", {})
    theirs, trained = SentenceTransformer(str(exported), device="cpu"), load_trained(exported).encoder
    for side, encode in (("query", theirs.encode_query), ("key", theirs.encode_document)):
        reading = getattr(SIDES["qa"], side)
        expected = encoder.encode(TEXTS, reading)
        assert expected.shape == (3, dimension)
        np.testing.assert_allclose(encode(TEXTS), expected, atol=1e-5)
        np.testing.assert_allclose(trained.encode(TEXTS, reading), expected, atol=1e-5)


def test_another_pooling_than_that_of_the_folder_is_refused_with_its_parts(bert_directory, tmp_path):
    base = sentence_folder(bert_directory, tmp_path / "base", Dense(32, 16))
    with pytest.raises(ConfigError, match=r"encoder\.pooling: expected null or 'cls'.*1_Pooling, 2_Dense.*got 'mean'"):
        TextEncoder(EncoderConfig(name=str(base), pooling="mean"))


def test_what_an_encoder_cannot_be_is_refused_by_name(bert_directory, tmp_path):
    for k, (expected, settings, modules) in enumerate(
        [
            ("pooling among", {"pooling": "max"}, []),
            ("similarity_fn_name: dot", {"similarity_fn_name": "dot"}, []),
            ("similarity_fn_name: manhattan", {"similarity_fn_name": "manhattan"}, [Normalize()]),
        ]
    ):
        base = sentence_folder(bert_directory, tmp_path / str(k), *modules, **settings)
        with pytest.raises(ConfigError, match=rf"encoder\.name: expected a model .*{expected}"):
            TextEncoder(EncoderConfig(name=str(base)))
    with pytest.raises(ConfigError, match="checkpoint: expected a model that is compared by cosine"):
        load_trained(tmp_path / "1")
    # What sentence-transformers itself can run is run by it; of unit vectors the inner product is the cosine.
    theirs = SentenceTransformer(str(tmp_path / "0"), device="cpu")
    np.testing.assert_allclose(
        load_trained(tmp_path / "0").encoder.encode(TEXTS, Reading("key")),
        theirs.encode(TEXTS, normalize_embeddings=True),
        atol=1e-5,
    )
    prompts = {"query": "find: ", "document": "text: "}
    with_prompts = sentence_folder(bert_directory, tmp_path / "prompts", pooling="max", prompts=prompts)
    trained = load_trained(with_prompts)
    assert (type(trained.encoder), trained.sides) == (SentenceTransformerEncoder, TaskSides("find: ", "text: "))
    unit = sentence_folder(bert_directory, tmp_path / "unit", Normalize(), similarity_fn_name="dot")
    assert TextEncoder(EncoderConfig(name=str(unit))).dimension == 32


def test_a_folder_that_keeps_the_first_numbers_of_vectors_does_so_here(bert_directory, tmp_path):
    cut = str(sentence_folder(bert_directory, tmp_path / "cut", pooling="mean", truncate_dim=8))
    theirs = SentenceTransformer(cut, device="cpu").encode(TEXTS, normalize_embeddings=True)
    ours = TextEncoder(EncoderConfig(name=cut, device="cpu"))
    assert (ours.dimension, theirs.shape[1]) == (8, 8)
    np.testing.assert_allclose(ours.encode(TEXTS, Reading("query")), theirs, atol=1e-5)
    assert TextEncoder(EncoderConfig(name=cut, dimension=4)).dimension == 4
    whole = str(sentence_folder(bert_directory, tmp_path / "whole", pooling="mean"))
    assert encoder_protocol(EncoderConfig(name=cut)) != encoder_protocol(EncoderConfig(name=whole))  # of kept vectors


@pytest.mark.parametrize("kind", ["t5", "mt5"])
def test_of_an_encoder_decoder_the_encoder_is_used(tmp_path, kind):
    small = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0}
    directory = tiny_backbone(tmp_path / kind, kind, **small)
    encoder = TextEncoder(EncoderConfig(name=str(directory)))
    theirs = SentenceTransformer(str(directory), device="cpu")
    expected = theirs.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode(TEXTS, Reading("key")), expected, atol=1e-5)
    exported = export(encoder, SIDES, tmp_path / "export", {})
    found = load_trained(exported).encoder.encode(TEXTS, SIDES["qa"].key)
    np.testing.assert_allclose(
        SentenceTransformer(str(exported), device="cpu").encode_document(TEXTS), found, atol=1e-5
    )


def test_an_encoder_decoder_that_does_not_run_by_halves_is_refused(tmp_path):
    small = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    directory = tiny_backbone(tmp_path, "bart", **small, encoder_attention_heads=4, decoder_attention_heads=4)
    with pytest.raises(ConfigError, match=r"encoder\.name: expected an encoder or a decoder; of bart"):
        TextEncoder(EncoderConfig(name=str(directory)))


def test_an_adapter_alone_says_how_it_becomes_a_model(tmp_path):
    tiny_tokenizer(tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "x"}))
    for load in (
        lambda: TextEncoder(EncoderConfig(name=str(tmp_path))),
        lambda: HuggingFaceLanguageModel(str(tmp_path), device="cpu").score(["a"], [[" b"]]),
    ):
        with pytest.raises(ConfigError, match=r"name: expected a whole model; this is an adapter alone.*merge_and_un"):
            load()


def renamed(weights):
    return {f"other.{name}": weight for name, weight in weights.items()}


DAMAGES = {
    "missing: embeddings": lambda weights: {},
    "missing: encoder.layer.1": lambda weights: {n: w for n, w in weights.items() if "layer.1." not in n},
    "missing: embeddings.LayerNorm": renamed,
    "of layers that it lacks: encoder.layer.7": lambda weights: (
        weights | {"encoder.layer.7.output.dense.weight": torch.zeros(32, 64)}
    ),
    "I64 in model.safetensors: embeddings.word": lambda weights: (
        weights | {"embeddings.word_embeddings.weight": torch.ones(320, 32, dtype=torch.int64)}
    ),
    "NaN or infinite: encoder.layer.0.output.dense.bias": lambda weights: (
        weights | {"encoder.layer.0.output.dense.bias": torch.full((32,), float("nan"))}
    ),
    "layer.0.output.dense.bias": lambda weights: weights | {"encoder.layer.0.output.dense.bias": torch.zeros(31)},
}


@pytest.mark.parametrize("message", DAMAGES)
def test_weights_that_would_be_made_up_are_refused_by_name(bert_directory, tmp_path, message):
    shutil.copytree(bert_directory, tmp_path / "damaged")
    path = tmp_path / "damaged" / "model.safetensors"
    save_file(DAMAGES[message](load_file(path)), path, {"format": "pt"})
    with pytest.raises(ConfigError, match=rf"encoder\.name: expected .*{message}.*got '.*damaged'") as refused:
        TextEncoder(EncoderConfig(name=str(tmp_path / "damaged")))
    assert "\n" not in str(refused.value)


def test_weights_of_whole_numbers_are_those_of_a_quantisation_that_the_settings_name(bert_directory, tmp_path):
    folder = tmp_path / "quantised"
    shutil.copytree(bert_directory, folder)
    save_file({"layer.weight": torch.ones(2, 2, dtype=torch.uint8)}, folder / "model.safetensors")
    with pytest.raises(ConfigError, match=r"U8 in model\.safetensors: layer\.weight"):
        check_kinds(folder, "llm.name", "it", "a causal LM")
    said = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(said | {"quantization_config": {"quant_method": "fp8"}}))
    check_kinds(folder, "llm.name", "it", "a causal LM")


def test_a_model_without_the_pooler_that_nothing_asks_is_loaded(bert_directory, tmp_path):
    shutil.copytree(bert_directory, tmp_path / "bert")
    path = tmp_path / "bert" / "model.safetensors"
    save_file({n: w for n, w in load_file(path).items() if "pooler" not in n} | {"cls.bias": torch.ones(2)}, path)
    whole = TextEncoder(EncoderConfig(name=str(bert_directory))).encode(TEXTS, Reading("key"))
    found = TextEncoder(EncoderConfig(name=str(tmp_path / "bert"))).encode(TEXTS, Reading("key"))
    np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"model_type": 5}', b'{"version": "1.0"}', b"\xff\xfe\x00"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors", "modules.json"])
def test_a_damaged_file_is_one_line(bert_directory, llama_directory, tmp_path, file, damage):
    for model, load in (
        (bert_directory, lambda folder: TextEncoder(EncoderConfig(name=str(folder)))),
        (llama_directory, lambda folder: HuggingFaceLanguageModel(str(folder), device="cpu").score(["a"], [[" b"]])),
    ):
        if file == "modules.json" and model == llama_directory:
            continue
        folder = tmp_path / model.name
        shutil.copytree(model, folder)
        (folder / file).write_bytes(damage)
        with pytest.raises(EmbedderError) as refused:
            load(folder)
        assert "\n" not in str(refused.value)
        assert folder.name in str(refused.value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("router_config.json", {}, "not a router as sentence-transformers writes it"),
        ("router_config.json", {"types": {}, "structure": {"query": ["a"], "document": ["b"]}}, "not a router as"),
        ("config_sentence_transformers.json", {"prompts": ["ask: "]}, "expected `prompts` as an object of texts"),
        ("config_sentence_transformers.json", {"prompts": {"query": 5}}, "expected `prompts` as an object of texts"),
        ("query_1_Pooling/config.json", {"pooling_mode": 5}, r"one pooling among .*with \['5'\]"),
    ],
)
def test_settings_of_another_kind_are_one_line(bert_directory, tmp_path, file, content, message):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", shared=False))
    exported = export(encoder, SIDES, tmp_path / "export", {})
    (exported / file).write_text(json.dumps(content))
    with pytest.raises(EmbedderError, match=message) as refused:
        TextEncoder(EncoderConfig(name=str(exported), shared=False))
    assert "\n" not in str(refused.value)


def with_code(folder, *, of):
    """What a folder says where its classes are files of its own, which write a file when they run."""
    code = f"open({str(folder / 'ran')!r}, 'w')\n"
    (folder / "code.py").write_text(code)
    path = folder / of
    settings = json.loads(path.read_text())
    names = {"config.json": {"AutoConfig": "code.C", "AutoModel": "code.M", "AutoModelForCausalLM": "code.M"}}
    if of == "config.json":
        settings |= {"model_type": "their_own", "architectures": ["Their"], "auto_map": names[of]}
    else:
        settings |= {"tokenizer_class": "TheirTokenizer", "auto_map": {"AutoTokenizer": ["code.T", "code.T"]}}
    path.write_text(json.dumps(settings))


@pytest.mark.parametrize("of", ["config.json", "tokenizer_config.json"])
def test_the_code_of_a_folder_is_refused_and_nobody_is_asked(
    bert_directory, llama_directory, tmp_path, monkeypatch, of
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 10))
    for model, load in (
        (bert_directory, lambda folder: TextEncoder(EncoderConfig(name=str(folder)))),
        (llama_directory, lambda folder: HuggingFaceLanguageModel(str(folder), device="cpu").score(["a"], [[" b"]])),
    ):
        folder = tmp_path / model.name
        shutil.copytree(model, folder)
        with_code(folder, of=of)
        with pytest.raises(ConfigError, match="code of its own, which is never run here"):
            load(folder)
        assert not (folder / "ran").exists()
    assert sys.stdin.read(1) == "y"


@pytest.mark.parametrize("kind", ["code.Module", "os.system", "transformers.BertModel"])
def test_a_module_of_a_foreign_class_is_refused_by_name(bert_directory, tmp_path, kind):
    base = sentence_folder(bert_directory, tmp_path / "base")
    (base / "code.py").write_text(f"open({str(base / 'ran')!r}, 'w')\n")
    modules = json.loads((base / "modules.json").read_text())
    modules[1]["type"] = kind
    (base / "modules.json").write_text(json.dumps(modules))
    for load in (lambda: TextEncoder(EncoderConfig(name=str(base))), lambda: load_trained(base)):
        with pytest.raises(ConfigError, match=rf"own modules, .*never run .*modules\.json names {kind}"):
            load()
    assert not (base / "ran").exists()


def test_a_module_outside_of_its_folder_is_refused(bert_directory, tmp_path):
    base = sentence_folder(bert_directory, tmp_path / "base")
    modules = json.loads((base / "modules.json").read_text())
    modules[1]["path"] = "../elsewhere"
    (base / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(DataError, match=r"modules\.json: names a place outside of its folder: \.\./elsewhere"):
        TextEncoder(EncoderConfig(name=str(base)))


def test_a_hub_name_without_a_network_is_one_line():
    with pytest.raises(
        ConfigError, match=r"encoder\.name: .*not in the cache.* got 'nobody/nothing-at-all'"
    ) as refused:
        local_folder("nobody/nothing-at-all", None, "encoder.name")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"root:x:0:0:root:/root:/bin/sh\n", b"", b"PK\x03\x04", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint_is_one_line(tmp_path, content):
    path = tmp_path / "some.ckpt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"some\.ckpt: not a checkpoint"):
        load_trained(path)


def test_parts_of_a_checkpoint_that_are_missing_or_of_another_kind_are_named(bert_directory, tmp_path):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory)))
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    whole = {"state_dict": state, CHECKPOINT_KEY: describe(encoder, SIDES, {})}
    path = tmp_path / "one.ckpt"
    torch.save(whole, path)
    load_trained(path)
    some = "encoder.backbone.encoder.layer.0.output.dense.bias"
    described = whole[CHECKPOINT_KEY]
    for changed, message in (
        ({"state_dict": 5}, "expected state_dict as dict, got int"),
        ({"state_dict": {}}, r"missing: backbone\.embeddings"),
        (
            {"state_dict": {n: w for n, w in state.items() if n != some}},
            r"missing: backbone\.encoder\.layer\.0\.output",
        ),
        ({"state_dict": state | {some: torch.zeros(3)}}, "of another shape or kind: backbone"),
        ({"state_dict": state | {some: torch.full((32,), torch.nan)}}, "not finite numbers: backbone"),
        ({"state_dict": state | {some: "text"}}, "no tensors: backbone"),
        ({CHECKPOINT_KEY: 5}, "not a checkpoint of this project"),
        ({CHECKPOINT_KEY: described | {"encoder": []}}, "expected encoder as dict, got list"),
        ({CHECKPOINT_KEY: described | {"encoder": {"nam": "x"}}}, "damaged description"),
        ({CHECKPOINT_KEY: described | {"tasks": {"qa": 5}}}, "damaged description"),
        ({CHECKPOINT_KEY: described | {"probe_vectors": [[1.0]]}}, "damaged description|differ"),
        ({CHECKPOINT_KEY: described | {"encoder": {"name": "/gone"}}}, r"its encoder cannot be loaded: encoder\.name"),
    ):
        torch.save(whole | changed, path)
        with pytest.raises(DataError, match=rf"one\.ckpt: .*({message})") as refused:
            load_trained(path)
        assert "\n" not in str(refused.value)
    torch.save(whole | {"optimizer_states": 5}, path)
    with pytest.raises(DataError, match="expected optimizer_states as list, got int"):
        check_continues(path, {})


def test_control_tokens_in_a_text_are_plain_characters_for_encoder_and_export(bert_directory, tmp_path):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory)))
    control = encoder.tokenizer.convert_tokens_to_ids("<end>")
    assert control not in encoder.tokenize(["closes <end> it"])["input_ids"][0].tolist()
    theirs = SentenceTransformer(str(export(encoder, SIDES, tmp_path / "export", {})), device="cpu")
    texts = ["closes <end> it", "<end>"]
    np.testing.assert_allclose(theirs.encode_query(texts), encoder.encode(texts, SIDES["qa"].query), atol=1e-5)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread"), RuntimeError("bad_alloc")])
def test_a_lack_of_memory_is_not_said_of_the_model(error):
    with pytest.raises(type(error)), loading("encoder.name", "a", "a model"):
        raise error
    with pytest.raises(ConfigError, match="a model that can be loaded"), loading("encoder.name", "a", "a model"):
        raise RuntimeError("sizes do not match")
