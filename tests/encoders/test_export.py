import json
import os
import re
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from embedder.encoders.around import CutEncoder
from embedder.encoders.card_facts import CardFacts, complete_card
from embedder.encoders.checkpoint import load_trained, training_of
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.encoders.framework_lines import FRAMEWORK_LINES
from embedder.encoders.pooling import cls_pooling, last_pooling, mean_pooling
from embedder.encoders.push import push_to_hub
from embedder.errors import ConfigError, DataError
from embedder.types import Reading, TaskSides
from tests.tiny_models import adapted, tiny_backbone

TASKS = {"qa": TaskSides("ask: ", "read: ", 64, 128), "tool": TaskSides("request: ", "tool: ", 32, 128)}
TEXTS = ["Who designed the lighthouse at Oru?", "Maren Tolvik", "x"]


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_sentence_transformers_gives_our_vectors(bert_directory, tmp_path, pooling):
    from sentence_transformers import SentenceTransformer

    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling=pooling))
    directory = export(encoder, TASKS, tmp_path / "export", {"note": "test"})
    theirs = SentenceTransformer(str(directory), device="cpu")
    for name, instruction in (
        ("qa_query", "ask: "),
        ("qa_key", "read: "),
        ("tool_query", "request: "),
        ("tool_key", "tool: "),
    ):
        np.testing.assert_allclose(
            theirs.encode(TEXTS, prompt_name=name), encoder.encode(TEXTS, Reading("query", instruction)), atol=1e-5
        )
    np.testing.assert_allclose(theirs.encode_query(TEXTS), encoder.encode(TEXTS, Reading("query", "ask: ")), atol=1e-5)
    np.testing.assert_allclose(
        theirs.encode_document(TEXTS), encoder.encode(TEXTS, Reading("key", "read: ")), atol=1e-5
    )
    assert not list(directory.rglob("*.bin"))  # safetensors only


def assert_sentence_transformers_agrees(encoder, directory):
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(directory), device="cpu")
    for name, query, key in (("qa", "ask: ", "read: "), ("tool", "request: ", "tool: ")):
        queries = theirs.encode_query(TEXTS, prompt_name=f"{name}_query")
        keys = theirs.encode_document(TEXTS, prompt_name=f"{name}_key")
        np.testing.assert_allclose(queries, encoder.encode(TEXTS, Reading("query", query)), atol=1e-5)
        np.testing.assert_allclose(keys, encoder.encode(TEXTS, Reading("key", key)), atol=1e-5)
    np.testing.assert_allclose(theirs.encode_query(TEXTS), encoder.encode(TEXTS, Reading("query", "ask: ")), atol=1e-5)
    np.testing.assert_allclose(
        theirs.encode_document(TEXTS), encoder.encode(TEXTS, Reading("key", "read: ")), atol=1e-5
    )
    assert theirs.get_embedding_dimension() == encoder.dimension


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma"])
def test_sentence_transformers_gives_the_vectors_of_a_decoder_with_adapters(tmp_path, kind, bidirectional):
    directory = tiny_backbone(tmp_path / "base", kind, num_key_value_heads=2, head_dim=8)
    encoder = adapted(directory, pooling="last", bidirectional=bidirectional)
    before = encoder.encode(TEXTS, Reading("key"))
    exported = export(encoder, TASKS, tmp_path / "export", {})
    assert_sentence_transformers_agrees(encoder, exported)
    np.testing.assert_array_equal(encoder.encode(TEXTS, Reading("key")), before)  # the adapters are still apart
    plain = TextEncoder(EncoderConfig(name=str(directory), pooling="last", bidirectional=bidirectional))
    assert np.abs(plain.encode(TEXTS, Reading("key")) - before).max() > 0.1


def test_sentence_transformers_appends_the_end_token_of_a_llama_tokenizer(tmp_path):
    from transformers import LlamaTokenizer

    directory = tiny_backbone(tmp_path / "base", "llama", num_key_value_heads=2)
    pieces = dict.fromkeys(["<unk>", "<s>", "</s>", "▁", *"Whodesign tlua?MrTvkx:"])
    numbered = {piece: n for n, piece in enumerate(pieces)}
    LlamaTokenizer(vocab=numbered, merges=[], add_bos_token=True, add_eos_token=False).save_pretrained(directory)
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling="last"))
    ids = encoder.tokenize(["x"])["input_ids"][0].tolist()
    assert (ids[0], ids[-1]) == (1, 2)
    assert_sentence_transformers_agrees(encoder, export(encoder, TASKS, tmp_path / "export", {}))


@pytest.mark.parametrize("dimension", [None, 8])
def test_sentence_transformers_takes_each_side_to_its_own_encoder(bert_directory, tmp_path, dimension):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", shared=False, dimension=dimension))
    with torch.no_grad():
        encoder.key_backbone.embeddings.word_embeddings.weight.mul_(-1)
    assert np.abs(encoder.encode(TEXTS, Reading("query")) - encoder.encode(TEXTS, Reading("key"))).max() > 0.1
    directory = export(encoder, TASKS, tmp_path / "export", {})
    assert_sentence_transformers_agrees(encoder, directory)
    trained = load_trained(directory)
    (directory / "embedder.json").unlink()  # as if it were a model of others
    of_others = load_trained(directory)
    for side in ("query", "key"):
        expected = encoder.encode(TEXTS, Reading(side, "x: "))
        for one in (trained, of_others):
            np.testing.assert_allclose(one.encoder.encode(TEXTS, Reading(side, "x: ")), expected, atol=1e-5)


def test_sentence_transformers_cuts_vectors_where_ours_are_cut(bert_directory, tmp_path):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", dimension=8))
    assert_sentence_transformers_agrees(encoder, export(encoder, TASKS, tmp_path / "export", {}))


def changeable(directory):
    """The export as by a user who changes it on purpose."""
    (directory / "digests.json").unlink()
    return directory


def test_an_export_of_another_format_is_refused(bert_directory, tmp_path):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="cls"))
    path = changeable(export(encoder, TASKS, tmp_path / "export", {})) / "embedder.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps(description | {"format": 1}))
    with pytest.raises(DataError, match=r"embedder\.json: format 1; this version reads the format 2: export it again"):
        load_trained(path.parent)


def test_a_model_of_others_keeps_the_end_of_a_long_text(bert_directory, tmp_path):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    directory = export(encoder, TASKS, tmp_path / "export", {})
    (directory / "embedder.json").unlink()
    theirs, text = load_trained(directory).encoder, "Who designed the lighthouse? " * 9 + "at Oru"
    expected = encoder.encode([text], Reading("query", "ask: ", 20, keep="end"))
    found = theirs.encode([text], Reading("query", "ask: ", 20, keep="end"))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - theirs.encode([text], Reading("query", "ask: ", 20))).max() > 1e-2


def test_an_export_loads_with_its_instructions_and_a_changed_one_is_refused(bert_directory, tmp_path):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    directory = export(encoder, TASKS, tmp_path / "export", {})
    trained = load_trained(directory)
    assert trained.tasks == TASKS
    assert training_of(directory).base == str(bert_directory)
    np.testing.assert_allclose(
        trained.encoder.encode(TEXTS, Reading("query")), encoder.encode(TEXTS, Reading("query")), atol=1e-6
    )
    description = json.loads((changeable(directory) / "embedder.json").read_text())
    description["encoder"]["pooling"] = "cls"
    (directory / "embedder.json").write_text(json.dumps(description))
    with pytest.raises(DataError, match=r"embedder\.json.*encoder\.pooling: expected null or 'mean'.*1_Pooling"):
        load_trained(directory)
    pooling = directory / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({**json.loads(pooling.read_text()), "pooling_mode": "cls"}))
    with pytest.raises(DataError, match="the vectors of the probe texts differ"):
        load_trained(directory)
    pooling.write_text(json.dumps({**json.loads(pooling.read_text()), "pooling_mode": "mean"}))
    description["encoder"]["pooling"] = "mean"
    description["tasks"]["tool"]["key_instruction"] = "a tool: "
    (directory / "embedder.json").write_text(json.dumps(description))
    with pytest.raises(DataError, match="the vectors of the probe texts as key of tool differ"):
        load_trained(directory)


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"{}"])
def test_a_damaged_description_is_one_clear_error(bert_directory, tmp_path, damage):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    path = changeable(export(encoder, TASKS, tmp_path / "export", {})) / "embedder.json"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"embedder\.json: (a damaged description|cannot be read as JSON)"):
        load_trained(path.parent)


def test_damaged_weights_are_one_clear_error(bert_directory, tmp_path):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    directory = export(encoder, TASKS, tmp_path / "export", {})
    weights = directory / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1  # of one weight, which no probe text may need
    weights.write_bytes(content)
    with pytest.raises(DataError, match=r"export: model\.safetensors is not as it was written: export it again"):
        load_trained(directory)
    weights.write_bytes(content[:1000])
    changeable(directory)
    with pytest.raises(DataError, match=r"export.*encoder\.name: expected .*model\.safetensors is damaged"):
        load_trained(weights.parent)


def test_a_model_of_others_is_encoded_with_its_own_prompts(bert_directory, tmp_path):
    from sentence_transformers import SentenceTransformer

    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    theirs = SentenceTransformer(str(export(encoder, TASKS, tmp_path / "export", {})), device="cpu")
    theirs.prompts = {"query": "find: ", "document": ""}
    theirs.save(str(tmp_path / "theirs"), create_model_card=False)
    assert load_trained(tmp_path / "theirs").sides == TaskSides("find: ")


def test_vectors_do_not_depend_on_the_batch_and_keep_their_order(bert_directory):
    texts = [f"{'word ' * (7 * i % 23)}{i}" for i in range(40)]
    together = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", encode_tokens=256))
    alone = np.concatenate([together.encode([text], Reading("key")) for text in texts])
    together.train()
    np.testing.assert_allclose(together.encode(texts, Reading("key")), alone, atol=1e-5)
    assert together.training


def test_pooling_by_hand_with_padding_on_either_side():
    states = torch.tensor([[[1.0], [2.0], [9.0]], [[9.0], [3.0], [5.0]]])
    mask = torch.tensor([[1, 1, 0], [0, 1, 1]])
    assert cls_pooling(states, mask).tolist() == [[1.0], [3.0]]
    assert mean_pooling(states, mask).tolist() == [[1.5], [4.0]]
    assert last_pooling(states, mask).tolist() == [[2.0], [5.0]]


def test_an_unknown_pooling_or_model_is_a_clear_error(tmp_path):
    with pytest.raises(
        ConfigError, match=r"encoder.pooling: expected one of \['cls', 'last', 'mean'\] or null, got 'max'"
    ):
        EncoderConfig(name="x", pooling="max")
    with pytest.raises(ConfigError, match=r"encoder.name"):
        TextEncoder(EncoderConfig(name=str(tmp_path), pooling="mean"))


def test_an_export_in_bfloat16_is_loaded_as_such(tmp_path):
    directory = tiny_backbone(tmp_path / "base", "llama", num_key_value_heads=2)
    encoder = adapted(directory, pooling="last", dtype="bfloat16", dimension=24)
    loaded = load_trained(export(encoder, TASKS, tmp_path / "export", {})).encoder  # merging rounds to three digits
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
    difference = np.abs(loaded.encode(TEXTS, Reading("key")) - encoder.encode(TEXTS, Reading("key"))).max()
    assert difference < 0.04


LONG = ["Who designed the lighthouse at Oru? " * 20, "Maren Tolvik", "The treaty of 1612. " * 30]


@pytest.mark.parametrize("shared", [False, True])
def test_sentence_transformers_cuts_each_side_at_its_own_length_where_it_has_an_encoder_for_each(
    bert_directory, tmp_path, caplog, shared
):
    from sentence_transformers import SentenceTransformer

    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", shared=shared))
    directory = export(encoder, {"qa": TASKS["qa"]}, tmp_path / "export", {})
    theirs = SentenceTransformer(str(directory), device="cpu")
    ours = encoder.encode(LONG, TASKS["qa"].query)
    assert not caplog.records
    if shared:  # then it reads more of a query than training did, which the card tells with the way round it
        told = "qa queries: the first 64 tokens in training, the first 128 there"
        assert told in (directory / "README.md").read_text()
        assert np.abs(theirs.encode_query(LONG) - ours).max() > 1e-2
        theirs[0].query_length = 64
    else:
        assert "Long texts" not in (directory / "README.md").read_text()
    np.testing.assert_allclose(theirs.encode_query(LONG), ours, atol=1e-5)
    np.testing.assert_allclose(theirs.encode_document(LONG), encoder.encode(LONG, TASKS["qa"].key), atol=1e-5)
    loaded = load_trained(directory).encoder
    np.testing.assert_allclose(loaded.encode(LONG, TASKS["qa"].query), ours, atol=1e-5)


def test_the_files_are_in_the_form_that_older_versions_read(bert_directory, tmp_path):
    # What sentence-transformers 4.1, 5.1 and 5.6 load, each tried with transformers 4: they refuse any other field.
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", dimension=8))
    old_umask = os.umask(0o027)
    try:
        directory = export(encoder, TASKS, tmp_path / "export", {})
    finally:
        os.umask(old_umask)
    read = lambda name: json.loads((directory / name).read_text())  # noqa: E731
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Normalize", "Normalize")]
    assert read("modules.json") == [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate(kinds)
    ]
    assert read("sentence_bert_config.json") == {"max_seq_length": 128, "do_lower_case": False}
    assert read("1_Pooling/config.json") == {
        "word_embedding_dimension": 32,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_lasttoken": False,
        "include_prompt": True,
    }
    activation = "torch.nn.modules.linear.Identity"
    dense = {"in_features": 32, "out_features": 8, "bias": False, "activation_function": activation}
    assert read("2_Dense/config.json") == dense
    settings = read("config_sentence_transformers.json")
    assert settings.keys() == {"prompts", "default_prompt_name", "similarity_fn_name"}
    assert settings["prompts"]["tool_key"] == "tool: "
    assert {path.stat().st_mode & 0o777 for path in directory.rglob("*") if path.is_file()} == {0o640}


def test_settings_have_the_names_of_transformers_4_too(tmp_path):
    rope = {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rope["original_max_position_embeddings"] = 64
    directory = tiny_backbone(tmp_path / "base", "llama", num_key_value_heads=2, rope_parameters=rope)
    encoder = TextEncoder(EncoderConfig(name=str(directory), pooling="last"))
    exported = export(encoder, TASKS, tmp_path / "export", {})
    settings = json.loads((exported / "config.json").read_text())
    assert (settings["torch_dtype"], settings["rope_theta"]) == ("float32", 5e5)
    assert settings["rope_scaling"] == {name: value for name, value in rope.items() if name != "rope_theta"}
    tokenizer = json.loads((exported / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "is_local" not in tokenizer
    assert_sentence_transformers_agrees(encoder, exported)


def test_what_sentence_transformers_reads_otherwise_is_told_with_how_to_get_it(bert_directory, tmp_path, caplog):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    tasks = {**TASKS, "chat": TaskSides("say: ", "said: ", 64, 128, "end")}
    directory = export(encoder, tasks, tmp_path / "export", {})
    told = (
        "tool queries: the first 32 tokens in training, the first 128 there",
        "chat queries: the last 64 tokens in training, the first 128 there",
    )
    read_me = (directory / "README.md").read_text()
    for line in told:
        assert line in read_me
    (warned,) = caplog.messages  # of other words, not of more words
    assert warned.endswith("reads the start of long queries, training their end (the export's README.md): chat")
    # The recipe of the read-me, as it stands there.
    code = read_me.rpartition("```python")[2].partition("```")[0].replace("THIS_FOLDER", str(directory))
    names: dict = {}
    exec(code, names)  # noqa: S102  # our own
    np.testing.assert_allclose(names["queries"], encoder.encode(["..."], tasks["qa"].query), atol=1e-5)


def test_a_cut_of_an_export_has_unit_vectors_as_the_documents_say(bert_directory, tmp_path):
    from sentence_transformers import SentenceTransformer

    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    theirs = SentenceTransformer(str(export(encoder, TASKS, tmp_path / "export", {})), device="cpu", truncate_dim=8)
    found = theirs.encode_query(TEXTS, normalize_embeddings=True)
    ours = CutEncoder(encoder, 8).encode(TEXTS, TASKS["qa"].query)
    np.testing.assert_allclose(found, ours, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)
    with pytest.raises(ConfigError, match=r"encoder\.dimension: expected null, or at most the 32 numbers"):
        CutEncoder(encoder, 64)


CHANGE = "val/ndcg@10 was 0.6475 before training and is 0.9181 after 60 steps (+0.2706)"


def exported_twice(bert_directory, tmp_path, **settings):
    about = {
        "data": {"qa/popqa": {"files": "05d4537a", "rewards": {"llm": "gguf:b179"}, "reward": {"class": "RankReward"}}},
        "scores": {"val/ndcg@10": 0.9181, "val/loss": 1.0},
        "changes": [CHANGE],
    }
    for name in ("one", "two"):
        encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean", **settings))
        yield export(encoder, {**TASKS, "chat": TaskSides("say | ")}, tmp_path / name, about)


def test_the_same_encoder_gives_the_same_bytes_wherever_it_is_written(bert_directory, tmp_path):
    one, two = exported_twice(bert_directory, tmp_path)
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert [name for name in names if (one / name).read_bytes() != (two / name).read_bytes()] == []
    assert not any(str(tmp_path).encode() in path.read_bytes() for path in one.rglob("*") if path.is_file())


def test_the_card_says_what_a_user_needs_and_hubs_read_its_settings(bert_directory, tmp_path):
    from huggingface_hub import ModelCard

    one, _ = exported_twice(bert_directory, tmp_path)
    text = (one / "README.md").read_text()
    data = ModelCard.load(one / "README.md").data
    assert (data.library_name, data.pipeline_tag) == ("sentence-transformers", "sentence-similarity")
    assert data.base_model is None  # a folder of this machine is not on a hub
    assert str(bert_directory) not in text
    assert [(result.metric_type, result.metric_value) for result in data.eval_results] == [("ndcg@10", 0.9181)]
    assert CHANGE in text
    assert "| qa | query | `ask: ` | 64 | its start |" in text
    assert "| chat | query | `say \\| ` | 256 | its start |" in text  # the length that the encoder itself has
    assert "| qa/popqa | `05d4537a` | gguf:b179 | RankReward |" in text
    description = json.loads((one / "embedder.json").read_text())
    assert description["base"]["fingerprint"].startswith("files:")
    assert description["tasks"]["chat"]["query_max_length"] == 256


@pytest.mark.parametrize("name", FRAMEWORK_LINES)
def test_the_lines_of_the_card_are_those_of_the_examples(name):
    example = {"text-embeddings-inference": "text_embeddings_inference", "LlamaIndex": "llama_index"}.get(
        name, name.lower().replace("-", "_")
    )
    code = (Path(__file__).parents[2] / "examples" / f"{example}_search.py").read_text(encoding="utf-8")
    assert textwrap.dedent(FRAMEWORK_LINES[name]) in re.sub(r"^ +(?=request|response)", "", code, flags=re.M)


class Client:
    """Stands for the hub's client, which needs a network: it keeps what it is asked."""

    asked: ClassVar[list] = []

    def create_repo(self, *arguments, **settings):
        self.asked.append(("create_repo", arguments, settings))

    def upload_folder(self, **settings):
        names = sorted(path.name for path in Path(settings["folder_path"]).iterdir())
        self.asked.append(("upload_folder", names, settings))
        return SimpleNamespace(commit_url="https://hub/me/mine/commit/1")


def test_an_export_is_pushed_as_one_private_commit_unless_it_is_damaged(bert_directory, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("huggingface_hub.HfApi", Client)
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnopqrstuv")
    Client.asked.clear()
    one, two = exported_twice(bert_directory, tmp_path)
    with caplog.at_level("INFO"):
        assert push_to_hub(one, "me/mine") == "https://hub/me/mine/commit/1"
    (_, created, private), (_, names, settings) = Client.asked
    assert (created, private) == (("me/mine",), {"private": True, "exist_ok": True})
    assert {"README.md", "embedder.json", "model.safetensors", "modules.json", "digests.json"} <= set(names)
    assert settings["repo_id"] == "me/mine"
    assert "hf_" not in caplog.text
    (two / "config.json").write_text("{}")
    with pytest.raises(DataError, match=r"config\.json is not as it was written: export it again"):
        push_to_hub(two, "me/mine")
    with pytest.raises(DataError, match="not an export"):
        push_to_hub(bert_directory, "me/mine")
    assert len(Client.asked) == 2


def test_a_user_completes_the_card_with_licences_and_an_evaluation(bert_directory, tmp_path):
    from huggingface_hub import ModelCard

    one, _ = exported_twice(bert_directory, tmp_path)
    before = (one / "README.md").read_text()
    assert "Licences of the data: not recorded." in before
    (tmp_path / "evaluate").mkdir()
    facts = CardFacts("apache-2.0", ["akariasai/PopQA"], ["en"], "PopQA is MIT", tmp_path / "evaluate")
    with pytest.raises(DataError, match=r"table\.md: the table of an evaluation cannot be read"):
        complete_card(one, facts)
    assert (one / "README.md").read_text() == before
    (tmp_path / "evaluate" / "table.md").write_text("| a | ndcg@10 |\n|---|---|\n| trained | 0.996 |\n")
    complete_card(one, facts)
    card = ModelCard.load(one / "README.md")
    assert (card.data.license, card.data.datasets, card.data.language) == ("apache-2.0", ["akariasai/PopQA"], ["en"])
    assert "| trained | 0.996 |" in card.text
    assert "Licences of the data: PopQA is MIT." in card.text
    assert CHANGE in card.text
    load_trained(one)  # its digests are of the new files
    complete_card(one, CardFacts())
    assert (one / "README.md").read_text() == before
