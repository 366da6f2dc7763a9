"""What another process replaces while it is read: all of the old or all of the new, never parts of both."""

import shutil

import numpy as np
import pytest

import embedder
from embedder.encoders import checkpoint
from embedder.encoders.card_facts import CardFacts, complete_card
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.errors import DataError
from embedder.evaluation import row_encoders
from embedder.evaluation.row_encoders import RowEncoders
from embedder.files import copy_folder
from embedder.replaced import read_as_one
from embedder.search import retriever
from embedder.types import Reading, TaskSides
from embedder.vectors.settings import VectorSettings
from tests.tiny_models import tiny_bert


@pytest.fixture
def exports(tmp_path, bert_directory):
    """`old` and `new`, of other weights; beside each a saved index with one key, which is called the same."""
    tiny_bert(tmp_path / "bert", seed=1)
    made = {}
    for name, model in (("old", bert_directory), ("new", tmp_path / "bert")):
        encoder = TextEncoder(EncoderConfig(name=str(model), pooling="mean"))
        made[name] = export(encoder, {"qa": TaskSides("ask: ", "passage: ")}, tmp_path / f"{name}-export", {})
        embedder.load(made[name], device="cpu").index([name]).save(tmp_path / name)
    return made


def replacing(monkeypatch, module, name, old, new):
    """Let a step of a reader be followed by another process that replaces what is read, once."""
    step = getattr(module, name)

    def replaced_then(path):
        result = step(path)
        monkeypatch.setattr(module, name, step)
        copy_folder(new, old)
        return result

    monkeypatch.setattr(module, name, replaced_then)


def test_a_saved_index_is_not_searched_with_the_encoder_of_another(exports, tmp_path, monkeypatch):
    expected = embedder.load(tmp_path / "new", device="cpu").search(["a"])[0][0]
    replacing(monkeypatch, retriever, "read_saved", tmp_path / "old", tmp_path / "new")
    (hit,) = embedder.load(tmp_path / "old", device="cpu").search(["a"])[0]
    assert (hit.text, hit.score) == ("new", expected.score)


def test_an_export_that_is_replaced_between_digests_and_weights_is_read_again(exports, monkeypatch):
    expected = embedder.load(exports["new"], device="cpu").encode_keys(["a"])
    replacing(monkeypatch, checkpoint, "check_whole", exports["old"], exports["new"])
    np.testing.assert_array_equal(embedder.load(exports["old"], device="cpu").encode_keys(["a"]), expected)


def test_an_export_that_is_replaced_while_it_is_pushed_is_sent_as_one(exports, monkeypatch):
    def read(folder, name):
        return name, (folder / name).read_bytes()

    class Client:  # of the hub, which needs a network
        commit_url = "https://hub/commit"

        def create_repo(self, *arguments, **settings):
            pass

        def upload_folder(self, folder_path, **settings):
            places.append((folder_path, folder_path.parent.stat().st_mode & 0o77))
            sent.append(read(folder_path, "embedder.json"))
            copy_folder(exports["new"], exports["old"])
            sent.append(read(folder_path, "model.safetensors"))
            return self

    places, sent, expected = [], [], [read(exports["old"], name) for name in ("embedder.json", "model.safetensors")]
    monkeypatch.setattr("huggingface_hub.HfApi", Client)
    loaded = embedder.load(exports["old"], device="cpu")
    loaded.push_to_hub("me/mine")
    assert sent == expected
    assert [(place.exists(), others) for place, others in places] == [(False, 0)]  # gone, and nobody else could look
    with pytest.raises(DataError, match="old-export: replaced after it was loaded"):
        loaded.push_to_hub("me/mine")


def test_a_card_is_not_completed_with_the_description_of_an_export_and_the_weights_of_another(exports, monkeypatch):
    copytree = shutil.copytree

    def replaced_before(*arguments, **settings):
        monkeypatch.setattr(shutil, "copytree", copytree)
        copy_folder(exports["new"], exports["old"])
        return copytree(*arguments, **settings)

    expected = embedder.load(exports["new"], device="cpu").encode_keys(["a"])
    monkeypatch.setattr(shutil, "copytree", replaced_before)
    complete_card(exports["old"], CardFacts("apache-2.0"))
    np.testing.assert_array_equal(embedder.load(exports["old"], device="cpu").encode_keys(["a"]), expected)


def test_an_index_is_not_saved_with_weights_that_came_after_it(exports, tmp_path):
    opened = embedder.load(exports["old"], device="cpu").index(["a"])
    copy_folder(exports["new"], exports["old"])
    with pytest.raises(DataError, match="old-export: replaced after it was loaded"):
        opened.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_what_is_replaced_each_time_it_is_read_is_told(tmp_path):
    path = tmp_path / "last.ckpt"
    path.write_text("0")
    with pytest.raises(DataError, match="replaced 10 times while it was read"):
        read_as_one(path, lambda: path.write_text(path.read_text() + "0"))


def test_vectors_are_kept_under_the_digest_of_the_weights_that_made_them(exports, bert_directory, monkeypatch):
    def row(name):
        return RowEncoders(EncoderConfig(str(bert_directory)), str(exports[name]), VectorSettings("")).of("trained")

    expected = row("new")
    replacing(monkeypatch, row_encoders, "load_trained", exports["old"], exports["new"])
    got = row("old")
    assert got.protocol == expected.protocol
    vectors = [one.encoder.encode(["a"], Reading("key")) for one in (got, expected)]
    np.testing.assert_array_equal(*vectors)
