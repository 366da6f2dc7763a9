"""A folder of the real evaluation, made once."""

from pathlib import Path

import pytest

from tests.report.folders import evaluate_the_world


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory, bert_directory, llama_directory) -> Path:
    return evaluate_the_world(tmp_path_factory.mktemp("evaluation"), bert_directory, llama_directory)
