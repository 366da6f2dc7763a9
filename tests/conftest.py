"""Small real models, built once a session."""

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported: workers of pytest-xdist share the cores

import pytest
from hypothesis import HealthCheck, settings

from tests.tiny_models import tiny_bert, tiny_llama, tiny_tokenizer

# On a busy machine drawing examples is slow too; that is no fault of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks for a browser can be left out where there is none."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def bert_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bert")
    tiny_bert(directory)
    return directory


@pytest.fixture(scope="session")
def llama_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("llama")
    tiny_llama(directory, max_tokens=16384)
    tiny_tokenizer(directory)
    return directory
