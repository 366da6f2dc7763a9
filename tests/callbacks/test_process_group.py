from types import SimpleNamespace

import pytest

from embedder.callbacks.process_group import ProcessGroupGuard
from embedder.errors import ConfigError


def test_a_world_that_is_not_the_process_group_stops_the_run():
    guard = ProcessGroupGuard()
    guard.setup(SimpleNamespace(world_size=1), None, "fit")
    with pytest.raises(ConfigError, match=r"trainer\.strategy: expected a process group of 2 processes"):
        guard.setup(SimpleNamespace(world_size=2), None, "fit")  # no group has been opened
