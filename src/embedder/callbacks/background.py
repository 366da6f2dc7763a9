"""A refresh in a process of its own, beside the steps: from a snapshot of the weights to published tables."""

import logging
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from torch import nn

from embedder.callbacks.current_encoder import CurrentEncoder
from embedder.callbacks.mining import MinedDataset
from embedder.callbacks.refresh import Moment, Refresh
from embedder.data.prepared import PreparedDataset
from embedder.errors import EmbedderError, TrainingError
from embedder.training.fresh_negatives import publish
from embedder.training.shared_work import SharedWork
from embedder.training.task import Task
from embedder.types import Encoder
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored_encoder import StoredEncoder

logger = logging.getLogger(__name__)

_SECONDS_TO_END = 5.0


@dataclass(frozen=True)
class Refreshed:
    """Tables that are published.

    Args:
        step: Whose weights found them.
        folder: Their name.
        digest: Of the tables.
        values: What is logged about them.
    """

    step: int
    folder: str
    digest: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Work:
    """What the process gets.

    Args:
        open_encoder: Makes the encoder with the weights of a file.
        snapshot: This file.
        refresh: Finds and judges.
        datasets: Those that get new negatives, each with its position among those of the run.
        tasks: Of the run.
        moment: When it begins.
        directory: Where the tables go.
        precision: That of the trainer.
        made_by: See `StepVectors.at`.
        vectors: Where vectors of keys lie, and in which form.
    """

    open_encoder: Callable[[Path], Encoder]
    snapshot: Path
    refresh: Refresh
    datasets: Sequence[tuple[int, PreparedDataset]]
    tasks: Mapping[str, Task]
    moment: Moment
    directory: Path
    precision: Precision
    made_by: Mapping[str, Any]
    vectors: VectorSettings

    def run(self) -> Refreshed:
        """Find, judge and publish."""
        started, step = time.monotonic(), self.moment.step
        parts = [MinedDataset.of(index, dataset) for index, dataset in self.datasets]
        for_one_step = self.vectors.directory == str(vectors_in(self.directory))
        encoder = StoredEncoder(self._opened(), self.made_by, self.vectors, for_one_step=for_one_step)
        tables, values = self.refresh.tables(parts, self.tasks, encoder, SharedWork(), self.moment)
        values["reindex/seconds"] = time.monotonic() - started
        return Refreshed(step, *publish(self.directory, step, tables), values)

    def _opened(self) -> Encoder:
        """The encoder of the snapshot, in the precision of the trainer on the device where this process encodes."""
        encoder = self.open_encoder(self.snapshot)
        if isinstance(encoder, nn.Module):
            self.precision.convert_module(encoder)
            device = next(encoder.parameters()).device
            if isinstance(self.precision, MixedPrecision):
                self.precision.device = device.type
            if device.type == "cuda":
                torch.cuda.set_device(device)  # an LLM whose device is `auto` comes here too, not to the training's GPU
        return CurrentEncoder(encoder, self.precision)


def vectors_in(directory: Path) -> Path:
    """Where the vectors of a snapshot lie that nothing else reads; whoever waits for the process removes them."""
    return directory / "vectors"


def snapshot_in(directory: Path) -> Path:
    """Where the weights lie that the process encodes with."""
    return directory / "snapshot.safetensors"


def remove_leftovers(directory: Path) -> None:
    """Remove what only the process needs, which may have been killed."""
    shutil.rmtree(vectors_in(directory), ignore_errors=True)
    snapshot_in(directory).unlink(missing_ok=True)


class Background:
    """The process of one refresh.

    It ends with the process that started it, however that ends, and takes no Ctrl-C of its own.

    Args:
        work: What it does.
        log: File that it writes what it says to.
    """

    def __init__(self, work: Work, log: Path) -> None:
        self.step, self._log, self._directory = work.moment.step, log, work.directory
        context = multiprocessing.get_context("spawn")
        self._results, results = context.Pipe(duplex=False)
        self.process: SpawnProcess = context.Process(target=_work, args=(work, results, log), daemon=True)
        with _without_interrupts():
            self.process.start()
        results.close()  # the other end is the process's alone, so that its death shows

    def result(self) -> Refreshed | None:
        """What it made; None while it works.

        Raises:
            TrainingError: It failed.
        """
        if not self._results.poll():
            return None
        try:
            made = self._results.recv()
        except EOFError:
            self.process.join()
            made = f"it ended with status {self.process.exitcode}"
        self.process.join()
        remove_leftovers(self._directory)
        if isinstance(made, Refreshed):
            return made
        about = "callbacks.reindex.mode=sync refreshes between two steps"
        raise TrainingError(f"the refresh in the background of step {self.step} failed: {made} ({self._log}); {about}")

    def stop(self) -> None:
        """End it at once; what the LLM has said is in the store."""
        self.process.terminate()
        self.process.join(_SECONDS_TO_END)
        self.process.kill()
        self.process.join()
        remove_leftovers(self._directory)


def _work(work: Work, results: Connection, log: Path) -> None:
    """The main function of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides when it ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with log.open("a", encoding="utf-8") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s][%(name)s][%(levelname)s] - %(message)s", force=True)
    try:
        results.send(work.run())
    except EmbedderError as error:
        logger.error("%s", error)
        results.send(str(error))
    except Exception as error:
        logger.exception("the refresh failed")
        results.send(f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    """A parent that is killed ends nothing by itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process that is started here does not see Ctrl-C while it imports."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
