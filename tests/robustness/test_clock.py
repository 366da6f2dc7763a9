"""A clock that is set back, set forward or stands still changes nothing of what commands make, take over or resume."""

import os
import shutil
import time
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from tests.robustness.chain import done
from tests.robustness.outcomes import contents, scores, weights

pytestmark = pytest.mark.slow


def test_what_commands_make_does_not_depend_on_the_clock(chain, tmp_path):
    """It stands still in 1970, 2001 or 2096, and files have times in an order by chance, some of them to come."""
    one, whole, by_chance = replace(chain, root=tmp_path / "one"), tmp_path / "whole", Random(0)
    shutil.copytree(chain.root, one.root)
    done(one.evaluate(), tmp_path)
    half = one.half_train().run(tmp_path)
    assert half.status == -9, half.said[-3000:]
    shutil.copytree(one.root, whole)
    for stands_at in (0.0, 1e9, 4e9):
        shutil.rmtree(one.root)
        shutil.copytree(whole, one.root)
        for folder in ("data/prepared", "evaluate"):
            shutil.rmtree(one.root / folder)
        for path in one.root.rglob("*"):
            seconds = by_chance.uniform(1, 4.2e9)
            os.utime(path, (seconds, seconds))
        for command in (one.prepare(), one.train("half"), one.evaluate()):
            done(replace(command, before=partial(_stop_clock, stands_at)), tmp_path)
        assert contents(one.root / "data" / "prepared") == contents(whole / "data" / "prepared")
        assert weights(one.root / "half") == weights(whole / "train")
        assert scores(one.root / "evaluate") == scores(whole / "evaluate")
        assert names(one.root / "data") == names(whole / "data")  # what was there is taken, and not made twice


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix != ".lock")


def _stop_clock(seconds: float) -> None:
    time.time = lambda: seconds
