"""Small real models, built once a session."""

from pathlib import Path

import pytest

from tests.tiny_models import tiny_bert, tiny_llama, tiny_tokenizer


@pytest.fixture(scope="session")
def bert_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bert")
    tiny_bert(directory)
    return directory


@pytest.fixture(scope="session")
def llama_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("llama")
    tiny_llama(directory, max_tokens=4096)
    tiny_tokenizer(directory)
    return directory
