"""What another process replaces while it is read: all of the old or all of the new, never parts of both."""

import numpy as np
import pytest

import embedder
from embedder.encoders import checkpoint
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
