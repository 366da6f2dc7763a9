"""The public API: instructions are always applied, hits are those of brute force, and a saved retriever is the same."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import embedder
from embedder.encoders.checkpoint import describe
from embedder.encoders.checkpoint_file import CHECKPOINT_KEY
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.errors import ConfigError, DataError
from embedder.index.bm25_index import BM25Index
from embedder.search.folder import export_checkpoint
from embedder.types import Reading, TaskSides

QA = TaskSides("ask: ", "passage: ", query_max_length=16, key_max_length=24)
TOOL = TaskSides("find: ", "tool: ")
KEYS = [
    "the lighthouse at Oru",
    {"id": "b", "title": "Oru", "text": "a river", "page": 4},
    "Who wrote it?",
    "Oru Oru",
]
TEXTS = ["the lighthouse at Oru", "Oru a river", "Who wrote it?", "Oru Oru"]


@pytest.fixture(scope="module")
def encoder(bert_directory):
    return TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))


@pytest.fixture(scope="module")
def exported(encoder, tmp_path_factory):
    return export(encoder, {"qa": QA}, tmp_path_factory.mktemp("one") / "export", {"data": {"qa": {}}})


@pytest.fixture(scope="module")
def of_two_tasks(encoder, tmp_path_factory):
    return export(encoder, {"qa": QA, "tool": TOOL}, tmp_path_factory.mktemp("two") / "export", {})


@pytest.fixture
def checkpoint(encoder, tmp_path):
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    path = tmp_path / "one.ckpt"
    torch.save({"state_dict": state, CHECKPOINT_KEY: describe(encoder, {"qa": QA}, {"data": {"qa": {}}})}, path)
    return path


def test_the_instruction_and_the_length_of_the_task_are_applied(encoder, exported):
    retriever = embedder.load(exported, device="cpu")
    assert (retriever.tasks, retriever.dimension, len(retriever)) == (("qa",), encoder.dimension, 0)
    queries = retriever.encode_queries(["Oru " * 40])
    np.testing.assert_allclose(queries, encoder.encode(["ask: " + "Oru " * 40], Reading("query", "", 16)), atol=1e-6)
    assert np.abs(queries - encoder.encode(["Oru " * 40], Reading("query", "", 16))).max() > 1e-3  # it matters
    keys = retriever.encode_keys(KEYS, task="qa")
    np.testing.assert_allclose(
        keys, encoder.encode([f"passage: {t}" for t in TEXTS], Reading("key", "", 24)), atol=1e-6
    )
    assert retriever.encode_queries([]).shape == (0, encoder.dimension)


def test_of_several_tasks_one_has_to_be_named(encoder, of_two_tasks):
    retriever = embedder.load(of_two_tasks)
    with pytest.raises(ConfigError, match=r"task: expected one of qa, tool, which the model was trained on, got None"):
        retriever.encode_queries(["Oru"])
    with pytest.raises(ConfigError, match=r"task: expected one of qa, tool, .*\(did you mean tool\?\), got 'tools'"):
        retriever.index(KEYS, task="tools")
    np.testing.assert_allclose(
        retriever.encode_queries(["Oru"], task="tool"), encoder.encode(["Oru"], TOOL.query), atol=1e-6
    )
    hits = retriever.index(KEYS, task="tool").search(["Oru"], k=1)[0]  # read for the task of the index
    scores = encoder.encode(["Oru"], TOOL.query) @ encoder.encode(TEXTS, TOOL.key).T
    assert hits[0].score == pytest.approx(scores.max(), abs=1e-5)


def test_hits_are_those_of_brute_force(encoder, exported):
    retriever = embedder.load(exported).index(KEYS)
    queries = ["lighthouse", "Who is Oru?"]
    scores = encoder.encode(queries, QA.query) @ encoder.encode(TEXTS, QA.key).T
    for found, row in zip(retriever.search(queries, k=3), scores, strict=True):
        best = np.argsort(-row)[:3]
        assert [hit.text for hit in found] == [TEXTS[position] for position in best]
        assert [hit.rank for hit in found] == [1, 2, 3]
        np.testing.assert_allclose([hit.score for hit in found], row[best], atol=1e-5)
    everything = retriever.search(["Oru"], k=100)[0]
    assert len(everything) == len(KEYS)  # there are no more
    assert {"id": "b", "title": "Oru", "text": "a river", "page": 4} in [hit.key for hit in everything]


def test_a_blend_with_bm25_is_that_of_brute_force(encoder, exported, tmp_path):
    retriever = embedder.load(exported).index(KEYS)
    query = "Oru lighthouse river"
    cosines = (encoder.encode([query], QA.query) @ encoder.encode(TEXTS, QA.key).T)[0]
    words = BM25Index()
    words.build(TEXTS)
    scores, positions = words.search([query], 4)
    by_words = np.zeros(4)
    held = positions[0] >= 0  # "Who wrote it?" has no word of the query
    low, high = scores[0][held].min(), scores[0][held].max()
    by_words[positions[0][held]] = (scores[0][held] - low) / (high - low)
    expected = 0.4 * by_words + 0.6 * (cosines - cosines.min()) / (cosines.max() - cosines.min())
    (found,) = retriever.search([query], k=3, dense_share=0.6)
    best = np.argsort(-expected)[:3]
    assert [hit.text for hit in found] == [TEXTS[position] for position in best]
    np.testing.assert_allclose([hit.score for hit in found], expected[best], atol=1e-5)
    again = embedder.load(retriever.save(tmp_path / "index"))
    assert again.search([query], k=3, dense_share=0.6) == [found]
    lexical = again.search([query], dense_share=0.0)[0]
    assert [hit.text for hit in lexical[:3]] == [TEXTS[position] for position in positions[0][held]]
    assert again.index(["a mill"]).search([query], dense_share=0.6)[0][0].text == "a mill"  # the new keys' words


def test_a_saved_retriever_is_the_same_and_needs_nothing_else(exported, checkpoint, of_two_tasks, tmp_path):
    for path, task in ((exported, None), (checkpoint, None), (of_two_tasks, "tool")):
        retriever = embedder.load(path).index(KEYS, task)
        found = retriever.search(["lighthouse", "Oru"])
        folder = retriever.save(tmp_path / "index")  # each replaces the one before
        again = embedder.load(folder)
        assert again.search(["lighthouse", "Oru"]) == found
        again.save(folder)  # over what it was read from
        assert embedder.load(folder).search(["lighthouse", "Oru"]) == found
    lines = (folder / "keys.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"text": key} if isinstance(key, str) else key for key in KEYS]
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".bin", ".pt", ".ckpt")]


def test_a_checkpoint_that_training_has_written_again_is_saved_as_it_was_loaded(checkpoint, tmp_path):
    opened = embedder.load(checkpoint).index(KEYS)
    found = opened.search(["Oru"])
    later = torch.load(checkpoint, weights_only=True)
    torch.save(later | {"state_dict": {name: 2 * value for name, value in later["state_dict"].items()}}, checkpoint)
    assert embedder.load(opened.save(tmp_path / "index")).search(["Oru"]) == found


def test_any_sentence_transformers_folder_has_its_own_prompts(encoder, exported, tmp_path):
    import shutil

    own = tmp_path / "own"
    shutil.copytree(exported, own)
    (own / "embedder.json").unlink()
    (own / "digests.json").unlink()
    retriever = embedder.load(own)
    assert retriever.tasks == ()
    reading = Reading("query", "ask: ")  # `prompts` of config_sentence_transformers.json
    for task in (None, "qa"):
        np.testing.assert_allclose(retriever.encode_queries(["Oru"], task), encoder.encode(["Oru"], reading), atol=1e-5)
    opened = embedder.load(retriever.index(KEYS).save(tmp_path / "index"))
    for _ in range(2):  # over what it was read from
        opened.save(tmp_path / "index")
    assert embedder.load(tmp_path / "index").search(["Oru"]) == retriever.search(["Oru"])


def test_static_vectors_of_others_are_searched_too(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "Oru": 1, "river": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    vectors = np.eye(3, 4, dtype=np.float32)
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors)]).save(str(tmp_path / "static"))
    retriever = embedder.load(tmp_path / "static", device="cpu").index(["Oru", "river"])
    again = embedder.load(retriever.save(tmp_path / "index"))
    assert [hit.text for hit in again.search(["river"])[0]] == ["river", "Oru"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.search(["Oru"]), r"the index: expected one: call index\(keys\) first"),
        (lambda r: r.save("nowhere"), r"the index: expected one: call index\(keys\) first"),
        (lambda r: r.encode_queries("Oru"), "texts: expected a list of texts, got 'Oru'"),
        (lambda r: r.encode_queries(["Oru", 5]), r"texts\[1\]: expected a text that is not blank, got 5"),
        (lambda r: r.encode_queries(["\ud800"]), r"texts\[0\]: expected a text that is not blank, got"),
        (lambda r: r.encode_queries([" "]), r"texts\[0\]: expected a text that is not blank, got ' '"),
        (lambda r: r.encode_queries(["Oru"], task=3), "task: expected one of qa"),
        (lambda r: r.encode_queries({"Oru": 1}), "texts: expected a list of texts, got"),
        (lambda r: r.index(pd.DataFrame({"text": KEYS})), r"keys: expected texts or mappings, .* got 'DataFrame'"),
        (lambda r: r.index(["Oru"]).search(["Oru"], k=True), "k: expected a whole number, 1 or more, got True"),
        (lambda r: r.index(["Oru"]).search(["Oru"], dense_share=2), "dense_share: expected a share from 0 to 1, got 2"),
        (lambda r: r.index("Oru"), r"keys: expected several keys, such as .*, got 'Oru'"),
        (lambda r: r.index([]), r"keys: expected one or more keys, got \[\]"),
        (lambda r: r.index(["Oru", {"title": "Oru"}]), r"keys\[1\]: expected a text that is not blank, or a mapping"),
        (lambda r: r.index([{"text": "Oru", "title": 5}]), r"keys\[0\]: expected a text that is not blank"),
        (lambda r: r.index([{"text": "", "title": ""}]), r"keys\[0\]: expected a text that is not blank"),
        (lambda r: r.index(["Oru"], factory="Flatt"), "index.factory: expected a FAISS factory string"),
        (lambda r: r.index(["Oru"]).search(["Oru"], k=0), "k: expected a whole number, 1 or more, got 0"),
        (lambda r: r.index([{"text": "Oru", "x": {1}}]).save("new"), r"keys\[0\]: expected values that JSON can hold"),
    ],
)
def test_what_cannot_work_is_one_clear_error(exported, tmp_path, monkeypatch, call, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        call(embedder.load(exported))
    assert not list(tmp_path.iterdir())  # nothing half-written


def test_another_folder_is_never_replaced(exported, checkpoint, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for write in (embedder.load(exported).index(KEYS).save, lambda folder: export_checkpoint(checkpoint, folder)):
        with pytest.raises(ConfigError, match=r"the folder to write: expected a new one, or .*, got '.*mine'"):
            write(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_damaged_folder_is_refused(exported, tmp_path):
    folder = embedder.load(exported).index(KEYS).save(tmp_path / "index")
    text = (folder / "keys.jsonl").read_text()
    (folder / "keys.jsonl").write_text(text.replace("lighthouse", "lightning"))
    with pytest.raises(DataError, match=r"keys.jsonl is not as it was written: save the retriever again"):
        embedder.load(folder)
    (folder / "digests.json").unlink()
    with pytest.raises(DataError, match=r"digests.json is missing"):
        embedder.load(folder)


def test_a_path_or_a_device_that_is_not_there_is_one_clear_error(exported, tmp_path):
    with pytest.raises(ConfigError, match=r"checkpoint: expected a \.ckpt file, the folder export/"):
        embedder.load(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="device: expected auto or a device that torch finds here"):
        embedder.load(exported, device="abacus")


def test_a_checkpoint_exports_what_it_says_of_itself(encoder, checkpoint, exported, tmp_path):
    folder = export_checkpoint(checkpoint, tmp_path / "export")
    assert json.loads((folder / "embedder.json").read_text())["data"] == {"qa": {}}
    np.testing.assert_allclose(
        embedder.load(folder).encode_queries(["Oru"]), encoder.encode(["Oru"], QA.query), atol=1e-6
    )
    with pytest.raises(ConfigError, match=r"checkpoint: expected a file \.ckpt; a folder is an export already"):
        export_checkpoint(exported, tmp_path / "other")


def test_the_package_imports_nothing_before_it_is_used():
    code = (
        "import sys, embedder\n"
        "assert not {'torch', 'numpy', 'hydra', 'transformers'} & sys.modules.keys()\n"
        "assert {'load', 'Retriever', 'RetrieverModule', 'Hit'} <= set(dir(embedder))\n"
        "from embedder.losses import contrastive_loss, graded_distillation_loss, kl_distillation_loss\n"
        "from embedder.rewards import RankReward, MixReward\n"
        "from embedder import RetrieverModule\n"
        "import lightning\n"
        "assert issubclass(RetrieverModule, lightning.LightningModule)\n"
        "try: embedder.Retreiver\n"
        "except AttributeError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "module 'embedder' has no attribute 'Retreiver'\n"


@pytest.mark.parametrize("lora", [None, {"r": 2}], ids=["full", "lora"])
def test_a_retriever_trained_query_only_searches_the_index_of_its_base(encoder, exported, tmp_path, lora):
    base = embedder.load(exported, device="cpu").index(KEYS)
    index = base.save(tmp_path / "deployed")
    trained = TextEncoder(EncoderConfig(str(exported), trainable="query", lora=lora))
    with torch.no_grad():
        for name, parameter in trained.named_parameters():
            if parameter.requires_grad and ("lora_B" in name or lora is None):
                parameter.add_(0.3)
    sides = TaskSides("seek: ", QA.key_instruction, 16, QA.key_max_length)
    retriever = embedder.load(export(trained, {"qa": sides}, tmp_path / "query only", {}), device="cpu")
    hits = retriever.use_index(index).search(["Who wrote it?"], k=4)[0]
    expected = (trained.encode(["Who wrote it?"], sides.query) @ base.encode_keys(KEYS).T)[0]
    assert [hit.text for hit in hits] == [TEXTS[position] for position in np.argsort(-expected)]
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(expected)[::-1], atol=1e-5)

    with torch.no_grad():  # of an encoder whose keys were trained too
        changed = TextEncoder(EncoderConfig(str(exported)))
        changed.backbone.embeddings.word_embeddings.weight.mul_(1.01)
    other = embedder.load(export(changed, {"qa": QA}, tmp_path / "other", {}), device="cpu")
    with pytest.raises(DataError, match=r"deployed: its keys were encoded in another way \(model is '\w{12}' there"):
        other.use_index(index)
    sides = replace(QA, key_instruction="told: ")
    other = embedder.load(export(TextEncoder(EncoderConfig(str(exported))), {"qa": sides}, tmp_path / "told", {}))
    with pytest.raises(DataError, match=r"another way \(instruction is .* there, 'told: ' here\): index"):
        other.use_index(index)
    with pytest.raises(DataError, match=r"not a folder that Retriever\.save wrote"):
        other.use_index(tmp_path)


def test_title_and_text_are_joined_as_in_training():
    assert embedder.join_title("Oru", "Oru is a river") == "Oru Oru is a river"
    assert embedder.join_title("", "a river") == "a river"


def test_a_retriever_pushes_the_export_that_it_was_loaded_from(exported, checkpoint, monkeypatch):
    def contents(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    asked = []  # the hub's client, which needs a network, is the one thing that is stood in for here
    client = type(
        "Client",
        (),
        {
            "create_repo": lambda self, name, **settings: asked.append((name, settings)),
            "upload_folder": lambda self, **settings: asked.append(contents(settings["folder_path"])) or self,
            "commit_url": "https://hub/commit",
        },
    )
    monkeypatch.setattr("huggingface_hub.HfApi", client)
    assert embedder.load(exported).push_to_hub("me/mine", private=False) == "https://hub/commit"
    assert asked == [("me/mine", {"private": False, "exist_ok": True}), contents(exported)]
    with pytest.raises(DataError, match="not an export"):
        embedder.load(checkpoint).push_to_hub("me/mine")


@pytest.mark.parametrize("wrong", [None, 5, b"x", ["a"], {"a": 1}])
def test_a_value_of_a_wrong_type_is_one_error_that_names_it(exported, wrong):
    retriever = embedder.load(exported).index(["a"])
    calls = {
        "path": (embedder.load, retriever.save),
        "folder": (retriever.use_index,),
        "device": (lambda value: embedder.load(exported, device=value),),
        "index.factory": (lambda value: retriever.index(["a"], factory=value),),
        "repository": (retriever.push_to_hub,),
    }
    for name, some in calls.items():
        for call in some:
            with pytest.raises(ConfigError, match=rf"^{name}: expected "):
                call(wrong)
    if wrong != ["a"]:
        for call, name in ((retriever.encode_queries, "texts"), (retriever.encode_keys, "keys")):
            with pytest.raises(ConfigError, match=rf"^{name}(\[0\])?: expected "):
                call(wrong)
