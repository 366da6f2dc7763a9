"""Draws what the LLM gains in each scenario, from the numbers of `first_chart.json`: run `python docs/first_chart.py`.

A lane is a task: on the left what the retriever finds, on the right what the LLM makes of it. The line around the
trained encoder is the 95 % interval of its difference to the base encoder; where it reaches the base encoder, the mark
is hollow. Numbers keep the digits that they have in the file. The list below the chart in README.md, which links each
number to the section of `results.md` with its command, is written too.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from embedder.report.charts import Axis, axis

DOCS = Path(__file__).parent
NUMBERS, PICTURE, README = DOCS / "first_chart.json", DOCS / "first_chart.svg", DOCS.parent / "README.md"
TITLES = {"retrieval": "What the retriever finds", "llm": "What the LLM makes of it"}
_LIST = re.compile(r"(?<=<!-- first_chart.py -->\n).*?(?=<!-- -->)", re.S)


@dataclass(frozen=True)
class Measured:
    """One measure with the base encoder and with the trained one.

    Args:
        run: The command that made it, by its name among the runs.
        measure: What it is; more is better.
        of: What it is a mean of.
        base: With what the base encoder retrieves.
        trained: With what the trained encoder retrieves.
        difference: Trained minus base, paired, and the ends of its 95 % interval; None where no interval was kept.
        alone: Of the LLM without retrieval.
    """

    run: str
    measure: str
    of: str
    base: Decimal
    trained: Decimal
    difference: tuple[Decimal, Decimal, Decimal] | None
    alone: Decimal | None = None

    @property
    def kind(self) -> str:
        """`good` or `bad`, and `open` where the interval contains 0 or is not known."""
        if self.difference is None or self.difference[1] <= 0 <= self.difference[2]:
            return "open"
        return "good" if self.difference[1] > 0 else "bad"

    @property
    def values(self) -> str:
        """From base to trained."""
        return f"{self.base} → {self.trained}"

    @property
    def note(self) -> str:
        """What it is a mean of, and the LLM alone where that is not 0 by definition."""
        return f"{self.of}; alone {self.alone}" if self.alone else self.of

    @property
    def said(self) -> str:
        """The difference."""
        if self.difference is None:
            return f"{self.trained - self.base:+}, no interval kept"
        value, low, high = self.difference
        return f"{value:+} ({low:+} to {high:+})"

    @property
    def interval(self) -> list[Decimal]:
        """That of the difference, moved to the base encoder's value."""
        return [self.base + end for end in self.difference[1:]] if self.difference else []

    @property
    def ends(self) -> list[float]:
        """All that an axis has to hold."""
        known = [self.base, self.trained, *self.interval, *([] if self.alone is None else [self.alone])]
        return [float(value) for value in known]

    @property
    def axis(self) -> Axis:
        """One for these numbers alone."""
        return axis(self.ends)


@dataclass(frozen=True)
class Lane:
    """A task of a scenario; a text in place of numbers says why there are none."""

    scenario: str
    task: str
    cells: Mapping[str, Measured | str]


@dataclass(frozen=True)
class Numbers:
    """All of the file; a run has `command`, `commit`, the `section` of results.md, and what it is `about`."""

    runs: Mapping[str, Mapping[str, str]]
    lanes: tuple[Lane, ...]

    def of(self, panel: str) -> list[Measured]:
        """What was measured for one side."""
        return [cell for lane in self.lanes if isinstance(cell := lane.cells[panel], Measured)]


def read(path: Path = NUMBERS) -> Numbers:
    """The numbers, with their digits."""
    found = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)
    lanes = (Lane(row["scenario"], row["task"], {name: _cell(row[name]) for name in TITLES}) for row in found["rows"])
    return Numbers(found["runs"], tuple(lanes))


def _cell(cell: dict[str, Any]) -> Measured | str:
    if "missing" in cell:
        return str(cell["missing"])
    return Measured(**cell | {"difference": tuple(cell["difference"]) if cell["difference"] else None})


def picture(numbers: Numbers) -> str:
    """The chart as SVG: the same bytes for the same numbers."""
    loader = FileSystemLoader(DOCS)
    template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("first_chart.svg.j2")
    shared = axis([end for cell in numbers.of("retrieval") for end in cell.ends])
    about = " ".join(dict.fromkeys(f"{run['about']}." for run in numbers.runs.values()))
    return template.render(runs=numbers.runs, lanes=numbers.lanes, titles=TITLES, shared=shared, about=about) + "\n"


def links(numbers: Numbers) -> str:
    """The list below the chart: each pair of numbers links to the section with its command."""
    lines = [
        f"{lane.task}, {cell.measure} ({cell.of}) [{cell.values}](docs/results.md#{numbers.runs[cell.run]['section']})"
        for lane in numbers.lanes
        for cell in lane.cells.values()
        if isinstance(cell, Measured)
    ]
    return "Base → trained; each pair links to its command:\n" + ";\n".join(lines) + ".\n"


def readme_with(text: str) -> str:
    """README.md with this list."""
    return _LIST.sub(text, README.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PICTURE.write_text(picture(read()), encoding="utf-8")
    README.write_text(readme_with(links(read())), encoding="utf-8")
