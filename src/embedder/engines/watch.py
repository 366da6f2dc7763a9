"""Work that several processes share: each learns within seconds that another one has failed or was killed."""

import itertools
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, ProcessGroupGloo
from torch.distributed.rendezvous import rendezvous

from embedder.errors import EmbedderError
from embedder.waiting import Waiting

logger = logging.getLogger(__name__)

_PATIENCE = timedelta(minutes=10)  # for all to come, and for one that answers no longer; one that ends shows at once
_EVERY = 1.0  # seconds between two looks at the others
_ENDING = 10.0  # seconds to tell the others that this process has failed
_WORKING, _DONE, _FAILED = range(3)
_numbers = itertools.count()  # of the groups of this process: under torchrun all of them meet in one store


@dataclass(frozen=True)
class Ranks:
    """This process among those that a launcher has started.

    Args:
        rank: Its number, from 0.
        size: How many there are.
        local_rank: Its number on this machine.
        address: Where the first of them listens; under torchrun, the agent that started it.
        port: See `address`.
    """

    rank: int
    size: int
    local_rank: int
    address: str
    port: int


@contextmanager
def together(ranks: Ranks) -> Iterator[None]:
    """Work that all processes share, which ends when each has done its part, or for all when one has failed.

    Args:
        ranks: This process and the others.

    Raises:
        EmbedderError: Another process has failed, or was killed, or never came.
    """
    watch = _Watch(ranks, _joined(ranks))
    try:
        yield
        watch.wait()
    except BaseException:
        watch.leave()
        if watch.failure is not None:
            raise EmbedderError(watch.failure) from None
        raise


def _joined(ranks: Ranks) -> ProcessGroupGloo:
    """A group of these processes beside torch's own one, which encoding and training make and use."""
    url = f"tcp://{ranks.address}:{ranks.port}"
    try:
        store, _, _ = next(rendezvous(url, ranks.rank, ranks.size, timeout=_PATIENCE))
        return ProcessGroupGloo(PrefixStore(f"labelling-{next(_numbers)}", store), ranks.rank, ranks.size, _PATIENCE)
    except dist.DistError as error:
        message = f"the {ranks.size} processes of this run do not find each other at {ranks.address}:{ranks.port}"
        raise EmbedderError(f"{message} (MASTER_ADDR, MASTER_PORT): {error}") from error


class _Watch:
    """Every second each process hears of every other one; whoever died breaks the connection."""

    def __init__(self, ranks: Ranks, group: ProcessGroupGloo) -> None:
        self.failure: str | None = None
        """What ended another process, as far as it is known here."""
        self._ranks, self._group = ranks, group
        self._state, self._changed = _WORKING, threading.Event()
        self._working: list[int] = []
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """This process has done its part: wait for the others."""
        logger.info("process %d of %d has done its part", self._ranks.rank + 1, self._ranks.size)
        self._change(_DONE)
        waiting = Waiting()
        while self._thread.is_alive():
            waiting.tell(lambda: f"processes {[n + 1 for n in self._working]} of {self._ranks.size}, which still label")
            self._thread.join(_EVERY)  # in pieces, so that a signal is heard
        if self.failure is not None:
            raise EmbedderError(self.failure)

    def leave(self) -> None:
        """Tell the others that this process has failed."""
        self._change(_FAILED)
        self._thread.join(_ENDING)

    def _change(self, state: int) -> None:
        self._state = state
        self._changed.set()

    def _look(self) -> None:
        while True:
            states = torch.zeros(self._ranks.size, dtype=torch.long)
            states[self._ranks.rank] = self._state
            try:
                self._group.allreduce([states]).wait()  # type: ignore[attr-defined]  # not in torch's stubs
            except RuntimeError:  # gloo's words name its own source
                self.failure = "another process of this run has ended, or was killed"
                break
            if failed := (states == _FAILED).nonzero().flatten().tolist():
                if self._ranks.rank in failed:
                    return
                self.failure = f"process {failed[0] + 1} of {self._ranks.size} has failed"
                break
            if not (working := (states == _WORKING).nonzero().flatten().tolist()):
                return
            self._working = working
            self._changed.wait(_EVERY)
            self._changed.clear()
        self.failure += ": what it said stands above or in its own log; the same command resumes, and no score is lost"
        if self._state == _WORKING:
            # A signal of its own, so that waiting calls end too.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
