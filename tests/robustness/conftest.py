"""The files of a whole chain of commands, made once."""

import pytest

from tests.robustness.chain import Chain, done, write_data


@pytest.fixture(scope="session")
def chain(tmp_path_factory, bert_directory, llama_directory):
    """What every command wrote, and beside it the folder of a training that was killed after its fourth step."""
    root = tmp_path_factory.mktemp("chain")
    write_data(root)
    one = Chain(root, bert_directory, llama_directory)
    for command in (one.prepare(), one.train(), one.evaluate(), one.index(), one.save_index()):
        done(command, root)
    ended = one.half_train().run(root)
    assert ended.status == -9, ended.said[-4000:]
    return one
