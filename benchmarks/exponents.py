"""How a cost grows with the size of the data: the slope of log(cost) over log(size), with its standard error.

The smallest data show what start takes. That contains the work in them, so their size is taken off the sizes as their
seconds are off the seconds: what grows in proportion has the slope 1.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import linregress

_SHOWS = 0.2
"""A size is fitted if it takes at least this share of start beyond start: less is lost in the noise of start."""


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
        exponent: Slope of log(seconds) over log(size), both beyond start, of sizes that take 0.2 times start or more;
            not a number where fewer than two do.
        error: Its standard error.
        last: The slope between the medians of the last two of these.
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
    """
    smallest, *sizes = sorted(costs)
    starts = costs[smallest][0].starts
    start = statistics.median(cost.seconds for cost in costs[smallest]) if starts else 0.0
    held = statistics.median(cost.megabytes for cost in costs[smallest])
    begun = smallest if starts else 0
    seconds = {size: [cost.seconds - start for cost in costs[size]] for size in sizes}
    medians = {size: statistics.median(of_runs) for size, of_runs in seconds.items()}
    fitted = [size for size in sizes if medians[size] > _SHOWS * start and min(seconds[size]) > 0]
    memory = [statistics.median(cost.megabytes for cost in costs[size]) - held for size in sizes]
    slopes = _slopes({size - begun: seconds[size] for size in fitted}) if len(fitted) > 1 else (math.nan,) * 3
    runs = len(costs[smallest])
    return Growth(name, unit, start, sizes, [medians[size] for size in sizes], memory, *slopes, runs)


def _slopes(seconds: Mapping[int, Sequence[float]]) -> tuple[float, float, float]:
    """Of all, its standard error, and that between the medians of the last two sizes."""
    fit = linregress(
        *zip(*((math.log(size), math.log(each)) for size in seconds for each in seconds[size]), strict=True)
    )
    before, after = list(seconds)[-2:]
    last = math.log(statistics.median(seconds[after]) / statistics.median(seconds[before])) / math.log(after / before)
    return float(fit.slope), float(fit.stderr), last
