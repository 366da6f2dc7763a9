"""Training curves of a run, from the CSV files that training keeps."""

import csv
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from embedder.errors import DataError
from embedder.report.charts import Axis, axis

_POINTS = 240
"""A curve on the page has at most so many points: a screen shows no more."""
_LEFT_OUT = re.compile(r"epoch$|step$|speed/|memory/")  # of the log


@dataclass(frozen=True)
class Curve:
    """One logged number over steps."""

    name: str
    points: list[tuple[float, float]]
    """Step and value."""
    x: Axis
    y: Axis

    @property
    def path(self) -> str:
        """The points as an SVG path in a square of 100 by 100, y downwards."""
        points = [f"{self.x.position(step):g},{100 - self.y.position(value):g}" for step, value in self.points]
        return "M" + "L".join(points)


def read_curves(run: Path) -> list[Curve]:
    """Losses, validation and learning rate of a training run.

    Args:
        run: Its folder; the log is in `csv/metrics.csv`, that from before the run was resumed in
            `csv/metrics.until-stop-*.csv`.

    Returns:
        Curves of at least two points, losses first.

    Raises:
        DataError: There is no log, or it is not one.
    """
    values: dict[str, dict[int, float]] = defaultdict(dict)
    for path in log_files(run):
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is None:
                raise DataError(path, None, "the file is empty, so nothing of it can be drawn: delete it")
            for number, row in enumerate(reader, 2):
                for name, step, value in _numbers(path, number, row):
                    values[name][step] = value
    names = sorted((name for name in values if len(values[name]) > 1), key=_order)
    return [_curve(name, sorted(values[name].items())) for name in names]


def log_files(run: Path) -> list[Path]:
    """The CSV files of a training and of the runs that it resumed, the last one last.

    Raises:
        DataError: There is no log.
    """
    last = run / "csv" / "metrics.csv"
    if not last.is_file():
        raise DataError(last, None, "no such file; expected the log of a training run")
    return [*sorted(last.parent.glob("metrics.until-stop-*.csv"), key=lambda path: (len(path.name), path.name)), last]


def _numbers(path: Path, number: int, row: dict[str, str]) -> list[tuple[str, int, float]]:
    if None in row.values():  # a cell may be cut, too, and would be another number
        raise DataError(path, number, "not a whole row: it ends in the middle")
    try:
        step = int(row["step"])
        found = [(name, step, float(value)) for name, value in row.items() if value and not _LEFT_OUT.match(name)]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(path, number, f"not a row of logged numbers ({type(error).__name__}: {error})") from error
    return [number for number in found if math.isfinite(number[2])]


def _order(name: str) -> tuple[int, str]:
    first = name.partition("/")[0]
    order = {"train": 0, "val": 1, "rag": 2}.get(first, 3)
    return (order if order or name.endswith("loss") else 3, name)


def _curve(name: str, points: list[tuple[int, float]]) -> Curve:
    size = math.ceil(len(points) / _POINTS)
    runs = [points[start : start + size] for start in range(0, len(points), size)]
    thin = [(sum(s for s, _ in run) / len(run), sum(v for _, v in run) / len(run)) for run in runs]
    steps = [float(step) for step, _ in points]
    return Curve(name, thin, Axis(steps[0], steps[-1], (steps[0], steps[-1])), axis([value for _, value in thin]))
