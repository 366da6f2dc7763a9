"""Where the marks of a chart stand, in per cent of its width, and which ticks it has."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from embedder.report.measures import headlines, is_share
from embedder.results.scores import Mean, Scores


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Args:
        low: Value at its left end.
        high: Value at its right end.
        ticks: Round values on it.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def position(self, value: float) -> float:
        """Where a value stands, in per cent, 2 decimals: a hundredth of a per cent is less than a pixel."""
        return round(100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low))), 2)


@dataclass(frozen=True)
class Chart:
    """Means with intervals of all retrievers by one metric."""

    metric: str
    axis: Axis
    bars: list[tuple[str, Mean]]
    from_zero: bool
    """Bars where 0 is on the axis; elsewhere dots, since the length of a bar would say nothing."""


@dataclass(frozen=True)
class Scenario:
    """The charts of one task."""

    task: str
    datasets: list[str]
    charts: list[Chart]


def scenarios(scores: Scores) -> list[Scenario]:
    """Charts of the headline metrics of each task."""
    found = []
    for task in scores.tasks:
        datasets = scores.datasets(task)
        charts = []
        for metric in headlines(scores.metrics(datasets)).values():
            if bars := list(scores.means(metric, datasets).items()):
                charts.append(_chart(metric, bars))
        found.append(Scenario(task, [dataset for _, dataset in datasets], charts))
    return found


def _chart(metric: str, bars: list[tuple[str, Mean]]) -> Chart:
    ends = [end for _, value in bars for end in (value.value, value.low, value.high) if end is not None]
    from_zero = is_share(metric) or metric == "gain"
    return Chart(metric, axis([*ends, 0.0] if from_zero else ends), bars, from_zero)


def axis(values: Sequence[float]) -> Axis:
    """The axis with about four round ticks that holds all values, with a little room where it does not end at 0.

    Args:
        values: What has to lie on it.
    """
    low, high = min(values), max(values)
    if low == high:
        low, high = (min(low, 0.0), max(high, 0.0)) if low else (0.0, 1.0)
    step = _round_step((high - low) / 4)
    room = (high - low) / 25
    low, high = low - room * (low != 0), high + room * (high != 0)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Axis(low, high, tuple(float(f"{step * number:.12g}") for number in range(first, last + 1)))


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return power * next(factor for factor in (1, 2, 5, 10) if step <= factor * power * (1 + 1e-9))
