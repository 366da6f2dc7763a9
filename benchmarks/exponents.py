"""How a cost grows with the size of the data: the slope of log(cost) over log(size), with its standard error."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import linregress


@dataclass(frozen=True)
class Cost:
    """What one measurement took.

    Args:
        seconds: Of the processor.
        megabytes: Of private memory, at most, that of the process before it included.
        starts: Whether a part of it is start, which the smallest data show.
    """

    seconds: float
    megabytes: float
    starts: bool = True


@dataclass(frozen=True)
class Growth:
    """One stage at several sizes.

    Args:
        name: The stage.
        unit: Of the sizes.
        start: Processor seconds of the smallest data, 0 where nothing starts.
        sizes: The others, ascending.
        seconds: Beyond start, medians.
        megabytes: Private memory beyond that of the smallest data, medians.
        exponent: Slope of log(seconds) over log(size).
        error: Its standard error.
        last: The slope between the medians of the last two sizes.
        runs: Of each size.
    """

    name: str
    unit: str
    start: float
    sizes: Sequence[int]
    seconds: Sequence[float]
    megabytes: Sequence[float]
    exponent: float
    error: float
    last: float
    runs: int


def growth(name: str, unit: str, costs: Mapping[int, Sequence[Cost]]) -> Growth:
    """Fit the costs of a stage.

    Args:
        name: The stage.
        unit: Of the sizes.
        costs: Of every run, by size; the smallest size shows what start takes.

    Raises:
        ValueError: A larger size took no longer than start, so there is no logarithm.
    """
    smallest, *sizes = sorted(costs)
    starts = costs[smallest][0].starts
    start = statistics.median(cost.seconds for cost in costs[smallest]) if starts else 0.0
    held = statistics.median(cost.megabytes for cost in costs[smallest])
    points = [(size, cost.seconds - start) for size in sizes for cost in costs[size]]
    if min(seconds for _, seconds in points) <= 0:
        raise ValueError(f"{name}: start takes {start:.3g} s and hides the rest, {points}; take larger sizes")
    fit = linregress([math.log(size) for size, _ in points], [math.log(seconds) for _, seconds in points])
    medians = [statistics.median(seconds for at, seconds in points if at == size) for size in sizes]
    memory = [statistics.median(cost.megabytes for cost in costs[size]) - held for size in sizes]
    last = math.log(medians[-1] / medians[-2]) / math.log(sizes[-1] / sizes[-2])
    runs = len(costs[smallest])
    return Growth(name, unit, start, sizes, medians, memory, float(fit.slope), float(fit.stderr), last, runs)
