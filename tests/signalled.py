"""Run an entry point that sends itself a signal when a method has been called so many times.

    python -m tests.signalled MODULE:CLASS.METHOD CALLS SIGNAL ENTRY OVERRIDE...

So a test kills a run at a known place, on a machine of any speed, and waits for nothing but its end.
"""

import functools
import importlib
import os
import runpy
import subprocess
import sys
from typing import Any

from tests.entry_points import ROOT


def run_signalled(
    method: str, calls: int, number: int, entry: str, *overrides: str
) -> subprocess.CompletedProcess[str]:
    """The entry point in a process of its own, until it ends by the signal or otherwise."""
    command = [sys.executable, "-m", "tests.signalled", method, str(calls), str(int(number)), entry, *overrides]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def signal_after(method: str, calls: int, number: int) -> None:
    """Have a method send this process a signal at the end of a call."""
    module, _, name = method.partition(":")
    owner, _, attribute = name.partition(".")
    where = getattr(importlib.import_module(module), owner)
    original, done = getattr(where, attribute), 0

    @functools.wraps(original)
    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        result = original(*args, **kwargs)
        done += 1
        if done == calls:
            os.kill(os.getpid(), number)
        return result

    setattr(where, attribute, counted)


if __name__ == "__main__":
    place, times, number, *sys.argv = sys.argv[1:]
    signal_after(place, int(times), int(number))
    runpy.run_path(sys.argv[0], run_name="__main__")
