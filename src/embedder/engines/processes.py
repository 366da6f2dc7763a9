"""Labelling processes of this machine: they are started, watched and ended by the process that will write records."""

import logging
import os
import signal
from collections.abc import Sequence
from logging.handlers import QueueHandler, QueueListener
from typing import Any

import torch
from torch.multiprocessing.spawn import ProcessContext, ProcessExitedException, start_processes

from embedder.errors import EmbedderError
from embedder.preparation.labelling import Labelling
from embedder.processes import Processes

logger = logging.getLogger(__name__)

_ENDING = 30.0  # seconds for a process to save what it has, before it is killed


def label_in_processes(labelling: Labelling, devices: Sequence[int]) -> None:
    """Label one part in a process for each device.

    The processes end with this one, however it ends.

    Args:
        labelling: What they share.
        devices: Numbers of their GPUs; where there is none, only how many processes there are counts.

    Raises:
        EmbedderError: One was killed.
        ProcessRaisedException: One has failed; its error is in the message.
    """
    n, root = len(devices), logging.getLogger()
    logger.info("%d processes label %s; the log names the part of each", n, ", ".join(labelling.names))
    records = torch.multiprocessing.get_context("spawn").Queue()
    listener = QueueListener(records, *root.handlers, respect_handler_level=True)
    settings = (labelling, devices, max(1, torch.get_num_threads() // n), records, root.level)
    listener.start()
    context = start_processes(_label_part, settings, n, join=False, daemon=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    try:
        while not context.join():
            pass
    except ProcessExitedException as error:
        which, how, kept = error.error_index + 1, error.signal_name or error.exit_code, labelling.preparation.kept
        raise EmbedderError(f"labelling process {which} of {n} has ended ({how}), so all have; {kept}") from error
    finally:
        _end(context)
        listener.stop()


def _end(context: ProcessContext) -> None:
    for process in context.processes:
        process.terminate()
    for process in context.processes:
        process.join(_ENDING)
        process.kill()


def _label_part(
    index: int, labelling: Labelling, devices: Sequence[int], threads: int, records: Any, level: int
) -> None:
    """What a labelling process does."""
    signal.signal(signal.SIGTERM, _interrupt)
    root, own = logging.getLogger(), Processes(index, len(devices))
    handler = QueueHandler(records)
    handler.setFormatter(logging.Formatter(f"[{own}] %(message)s"))
    root.handlers[:] = [handler]
    root.setLevel(level)
    os.environ["TTY_COMPATIBLE"] = "0"  # progress as lines: the bars of several processes would overwrite each other
    torch.set_num_threads(threads)
    take_gpu(devices[index])
    labelling.part(own)


def _interrupt(number: int, frame: Any) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt  # which ends the process quietly, once what it has is saved


def take_gpu(number: int) -> None:
    """Make a GPU that of this process, if there is one: the one that `auto` and `cuda` stand for."""
    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())
