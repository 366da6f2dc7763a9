"""Quantiles and a histogram of a stream of numbers, in memory that does not grow with them."""

import math
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate, pairwise

_PERCENTILES = (5, 25, 50, 75, 95)
_MAX_CELLS = 50_000  # distinct values held; about 5 MB
_MAX_WHOLE_BINS = 41  # N = 20 competitors give ranks gained from -20 to 20
_MAX_WIDE_BINS = 10  # between the tails


@dataclass(frozen=True, slots=True)
class HistogramBin:
    """Rewards from `low` up to but without `high`; None at an open end, and `high == low` for one whole number."""

    low: float | None
    high: float | None
    count: int


class Distribution:
    """Counts values in cells around the multiples of a step, which grows when there would be too many cells.

    Five cells make one of the next step: with an odd factor a cell lies wholly in a coarser one, so that the counts
    are those that the coarser step would have given from the beginning.
    """

    def __init__(self) -> None:
        self.count = 0
        self._total = 0.0
        self._low, self._high = math.inf, -math.inf
        self._are_whole = True
        self._cells_of_one = 1000.0  # 1 / step: a division by 0.001 is less exact
        self._cells: Counter[int] = Counter()

    @property
    def step(self) -> float:
        """Width of a cell."""
        return 1 / self._cells_of_one

    @property
    def mean(self) -> float:
        """Of all values, exact."""
        return self._total / self.count

    def add(self, value: float) -> None:
        """Count one value."""
        self.count += 1
        self._total += value
        self._low, self._high = min(self._low, value), max(self._high, value)
        self._are_whole = self._are_whole and value == int(value)
        self._cells[math.floor(value * self._cells_of_one + 0.5)] += 1
        while len(self._cells) > _MAX_CELLS:
            self._cells_of_one /= 5
            cells, self._cells = self._cells, Counter()
            for cell, count in cells.items():
                self._cells[(2 * cell + 5) // 10] += count  # floor(cell / 5 + 1 / 2)

    def quantiles(self) -> dict[str, float]:
        """The smallest value that so many percent of all do not exceed, with `min` and `max`."""
        inner = {str(percent): self._quantile(percent) * self.step for percent in _PERCENTILES}
        return {"min": self._low, **inner, "max": self._high}

    def _quantile(self, percent: int) -> int:
        """The smallest cell that `percent` of all values do not exceed."""
        cells = sorted(self._cells)
        reached = zip(cells, accumulate(self._cells[cell] for cell in cells), strict=True)
        return next(cell for cell, seen in reached if 100 * seen >= percent * self.count)

    def histogram(self) -> tuple[HistogramBin, ...]:
        """One bin for each whole number, or bins of equal width between the 1st and 99th percentiles with open tails.

        Without the tails a single outlier would push all other rewards into one bin.
        """
        if self._are_whole and self._high - self._low < _MAX_WHOLE_BINS:
            counts = Counter({round(cell * self.step): count for cell, count in self._cells.items()})
            return tuple(HistogramBin(v, v, counts[v]) for v in range(int(self._low), int(self._high) + 1))
        first, last = self._quantile(1), self._quantile(99)
        width = _round_width((last - first) / (_MAX_WIDE_BINS - 1))
        start, end = first // width, last // width + 1  # in widths
        bins = Counter[int]()
        for cell, count in self._cells.items():
            bins[min(max(cell // width, start - 1), end)] += count
        edges = [k * width / self._cells_of_one for k in range(start, end + 1)]
        inner = [HistogramBin(low, high, bins[start + k]) for k, (low, high) in enumerate(pairwise(edges))]
        below = [HistogramBin(None, edges[0], bins[start - 1])] if bins[start - 1] else []
        above = [HistogramBin(edges[-1], None, bins[end])] if bins[end] else []
        return (*below, *inner, *above)


def _round_width(at_least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is not below."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power >= at_least:
                return digit * power
        power *= 10
