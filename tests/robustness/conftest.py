"""The trained encoder that other commands start from, made once."""

import pytest

from tests.robustness.chain import Chain, done, write_data


@pytest.fixture(scope="session")
def chain(tmp_path_factory, bert_directory, llama_directory):
    """A folder with data, prepared, and a training."""
    root = tmp_path_factory.mktemp("chain")
    write_data(root)
    one = Chain(root, bert_directory, llama_directory)
    for command in (one.prepare(), one.train()):
        done(command, root)
    return one
