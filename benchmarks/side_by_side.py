"""Time several ways of doing the same thing in turns, so that a machine whose speed drifts treats all alike."""

import json
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import torch


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of ours and of a peer, and their ratio; above 1 means that ours is better."""

    name: str
    ours: float
    peer: float
    ratio: float
    unit: str
    runs: int
    lowest_ratio: float
    highest_ratio: float


@dataclass(frozen=True)
class Measured:
    """What one way took: seconds of every run, and the most memory above what was in use before, in MB."""

    seconds: list[float]
    peak_mb: float


def measure(
    ways: Mapping[str, Callable[[], object]], runs: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Measured]:
    """Run all ways in turns, `runs` times after one warm-up round in which memory is watched.

    With `time.process_time` as the clock, other work of the machine counts less.
    """
    peaks = {name: peak_mb(way) for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            seconds[name].append(_seconds(way, clock))
    return {name: Measured(seconds[name], peaks[name]) for name in ways}


def compare(name: str, ours: Measured, peer: Measured) -> Row:
    """Medians of the seconds, and the median of the ratios of neighbouring runs."""
    ratios = [theirs / own for own, theirs in zip(ours.seconds, peer.seconds, strict=True)]
    return Row(
        name,
        statistics.median(ours.seconds),
        statistics.median(peer.seconds),
        statistics.median(ratios),
        "s",
        len(ratios),
        min(ratios),
        max(ratios),
    )


def write_json(path: Path, rows: list[Row]) -> None:
    """Rows as a list of objects."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


def _seconds(way: Callable[[], object], clock: Callable[[], float]) -> float:
    _wait()
    started = clock()
    way()
    _wait()
    return clock() - started


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_mb(way: Callable[[], object], held: Callable[[], int] = lambda: psutil.Process().memory_info().rss) -> float:
    """The most memory while it runs, above what was in use before, in MB.

    Args:
        way: What runs.
        held: Bytes in use now, on a CPU.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        allocated = torch.cuda.memory_allocated()
        way()
        return (torch.cuda.max_memory_allocated() - allocated) / 1e6
    done = threading.Event()
    before = peak = held()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        way()
    finally:
        done.set()
        watcher.join()
    return (peak - before) / 1e6
