"""One self-contained HTML page of an evaluation.

Charts are plain HTML placed by percentages, and SVG paths for curves, written by Jinja2 templates: they take the page's
colours in light and dark, keep their type size on a phone, are read out as lists, and cost a few kilobytes. A plotting
library would bring either pictures that know one theme or megabytes of script.
"""

from pathlib import Path

from embedder.files import write_atomically
from embedder.report import html
from embedder.report.view import ReportSettings, View, build_view
from embedder.results.titles import UPPER_BOUND
from embedder.results.verdict import Verdict


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
    return (
        html.environment()
        .get_template("page.html.j2")
        .render(
            view=view,
            upper_bound=UPPER_BOUND,
            judgement=_judgement,
            **html.assets(),
        )
    )


def _judgement(ahead: Verdict) -> str:
    """What a difference allows to say, in a few words."""
    if ahead.difference.difference == 0:
        return "a tie"
    return "more than chance" if ahead.beyond_chance else "within chance"
