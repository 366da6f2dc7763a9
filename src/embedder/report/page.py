"""One self-contained HTML page of an evaluation.

Charts are plain HTML placed by percentages, and SVG paths for curves, written by Jinja2 templates: they take the page's
colours in light and dark, keep their type size on a phone, are read out as lists, and cost a few kilobytes. A plotting
library would bring either pictures that know one theme or megabytes of script.

Everything that is put in goes through `shown_lines` and autoescaping; a content security policy lets the browser run
the page's own script, by its hash, and load nothing at all.
"""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from embedder.files import write_atomically
from embedder.report import measures
from embedder.report.view import ReportSettings, View, build_view
from embedder.results.measures import sign
from embedder.results.titles import UPPER_BOUND
from embedder.results.verdict import Verdict
from embedder.shown import shown_lines

_MOST = 100_000  # characters put in at once: a curve takes many


def write_report(folder: Path, settings: ReportSettings | None = None) -> Path:
    """Write `report.html` into an evaluation folder.

    Args:
        folder: Holds `scores.json`, and `queries.jsonl` for calibration and examples.
        settings: What to show; the defaults where None.

    Returns:
        The page.

    Raises:
        DataError: A file is missing or not what it should be.
        ConfigError: A retriever that the settings name has no row.
    """
    page = render(build_view(folder, settings or ReportSettings()))
    path = folder / "report.html"
    write_atomically(path, page)
    return path


def render(view: View) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("embedder.report"),
        autoescape=True,
        finalize=_fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": shown_lines,
        "title": measures.title,
        "note": measures.note,
        "number": measures.number,
        "change": lambda value, metric: measures.number(value, metric, signed=True),
        "p": _p_value,
        "metric_value": lambda value, metric: measures.number(value, metric),
    }
    environment.tests |= {
        "lower_better": lambda metric: sign(metric) < 0,
        "mapping": lambda value: isinstance(value, dict),
    }
    script = (files("embedder.report") / "templates" / "page.js").read_text(encoding="utf-8")
    style = (files("embedder.report") / "templates" / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html.j2").render(
        view=view,
        upper_bound=UPPER_BOUND,
        judgement=_judgement,
        script=Markup(script),  # noqa: S704  # our own file
        style=Markup(style),  # noqa: S704  # our own file
        script_hash=digest,
    )


def _fit(value: object) -> object:
    """Of all that a template puts in, whether it asks for `visible` or not."""
    return shown_lines(value, _MOST) if isinstance(value, str) and not isinstance(value, Markup) else value


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _judgement(ahead: Verdict) -> str:
    """What a difference allows to say, in a few words."""
    if ahead.difference.difference == 0:
        return "a tie"
    return "more than chance" if ahead.beyond_chance else "within chance"
