"""Commands in processes of their own without the seconds of their imports: forked off a server that has done these.

So a command can be killed, starved of disk or memory, or die of a damaged file, hundreds of times a test.
"""

import atexit
import multiprocessing
import os
import resource
import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.entry_points import ROOT

_IMPORTED = (
    "tests.robustness.warm",  # first: it says how many threads there are
    "embedder.commands.console",
    "embedder.app.train",
    "embedder.app.evaluate",
    "embedder.app.compare",
    "embedder.app.report",
    "embedder.commands.search",
    "embedder.evaluation.index_run",
    "embedder.preparation.prepare",
    "embedder.audit.run",
    "embedder.search.retriever",
    "embedder.loggers.csv_logger",
    "embedder.entry.command_line",
)


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Args:
        status: Its exit status; minus the number of the signal that killed it.
        said: What it wrote to both streams.
    """

    status: int
    said: str


@dataclass(frozen=True)
class Command:
    """One of the commands of `embedder`, such as `train`, with its arguments.

    Args:
        words: Name and arguments.
        before: Called in the new process.
    """

    words: tuple[str, ...]
    before: Callable[[], Any] | None = None

    def with_memory(self, more: int) -> "Command":
        """The same with so many bytes of memory beside those that the imports take."""
        return replace(self, before=partial(_limit_memory, more))

    def start(self, said: Path) -> BaseProcess:
        """Start it.

        Args:
            said: The file that both of its streams go to.
        """
        process = _server().Process(target=_run, args=(self, said))
        process.start()
        return process

    def run(self, folder: Path, kill_after: float | None = None) -> Ended:
        """Run it to its end, or to that which it is given.

        Args:
            folder: Where the file lies that it writes to.
            kill_after: Seconds until it gets SIGKILL, if it is not done.
        """
        said = folder / "said.txt"
        process = self.start(said)
        process.join(kill_after)
        if process.is_alive():
            process.kill()
            process.join()
        status = process.exitcode
        process.close()
        assert status is not None
        return Ended(status, said.read_text(encoding="utf-8", errors="replace") if said.exists() else "")


def _limit_memory(more: int) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    size = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _server() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context


def _run(command: Command, said: Path) -> None:
    """In the new process: what the file of an entry point does, with streams that are files."""
    streams = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(streams, number)
        setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115  # it stays open
    os.chdir(ROOT)
    if command.before is not None:
        command.before()
    sys.argv = ["embedder", *command.words]
    try:
        runpy.run_module("embedder", run_name="__main__")
    finally:
        atexit._run_exitfuncs()
