"""Commands that are killed at random moments and resumed end as if nothing had happened, to the bit.

ROBUSTNESS_KILLS is how many kills there are of all commands together; the seed of the moments is fixed.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.robustness.chain import Chain, done
from tests.robustness.forked import Command
from tests.robustness.outcomes import contents, scores, weights, without_times

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("ROBUSTNESS_KILLS", "40"))


@dataclass(frozen=True)
class Killed:
    """A command, the folders that it writes, which are emptied before each try, and what it makes there."""

    command: Command
    folders: tuple[str, ...]
    outcome: Callable[[], Any]


def commands(chain: Chain) -> dict[str, Killed]:
    root = chain.root
    labelled = ("data/prepared", "data/store", "data/converted", "prepare")

    def index() -> Any:
        rows = without_times(json.loads((root / "index" / "index.json").read_text())["rows"])
        files = {path.name: path.read_bytes() for path in (root / "data" / "vectors").rglob("*.faiss")}
        assert files
        return rows, files

    return {
        "prepare": Killed(chain.prepare(), labelled, lambda: contents(root / "data" / "prepared")),
        "train": Killed(chain.train(), ("train",), lambda: weights(root / "train")),
        "evaluate": Killed(chain.evaluate(), ("evaluate", "data/vectors"), lambda: scores(root / "evaluate")),
        "index": Killed(chain.index(), ("index", "data/vectors"), index),
    }


@pytest.mark.parametrize("name", commands(Chain(Path("/"), Path("/"), Path("/"))))
def test_a_command_that_is_killed_again_and_again_ends_with_the_same(chain, name, say):
    killed = commands(chain)[name]
    started = time.monotonic()
    empty(chain.root, killed.folders)
    done(killed.command, chain.root)
    seconds, expected = time.monotonic() - started, killed.outcome()
    left, tries, draw = max(KILLS // 4, 1), 0, Random(name)
    while left > 0:
        empty(chain.root, killed.folders)
        moments: list[float] = []
        while True:
            moment = draw.uniform(0, seconds)
            ended = killed.command.run(chain.root, moment if left > 0 else None)
            if ended.status == 0:
                break
            moments.append(moment)
            left -= 1
            assert ended.status == -9, (name, moments, ended.said[-3000:])
        tries += 1
        assert killed.outcome() == expected, (name, moments)
        partial = [path for path in chain.root.rglob("*.partial") if path.parent.name != ".hydra"]
        assert len(partial) <= 1, partial  # of a folder that no later run has written into
    say(f"{name}: {max(KILLS // 4, 1)} kills in {tries} runs of {seconds:.1f} s, the same to the bit each time")


def empty(root: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        shutil.rmtree(root / folder, ignore_errors=True)
