"""What every page is made with: templates that escape what they are given, and the page's own style and script.

Everything that is put in goes through `shown_lines` and autoescaping; a content security policy lets the browser run
the page's own script, by its hash, and load nothing at all.
"""

import base64
import hashlib
from importlib.resources import files

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from embedder.report import measures
from embedder.results.measures import sign
from embedder.shown import shown_lines

_MOST = 100_000  # characters put in at once: a curve takes many


def environment(room: str = "embedder.report") -> Environment:
    """Jinja2's, with the templates of a room and those of this one; the filter `visible` cuts a text."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((room, "embedder.report"))]),
        autoescape=True,
        finalize=_fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "visible": shown_lines,
        "title": measures.title,
        "note": measures.note,
        "number": measures.number,
        "change": lambda value, metric: measures.number(value, metric, signed=True),
        "p": _p_value,
    }
    made.tests |= {
        "lower_better": lambda metric: sign(metric) < 0,
        "mapping": lambda value: isinstance(value, dict),
    }
    return made


def assets() -> dict[str, Markup | str]:
    """Values of a page: `style`, `script` and `script_hash`, by which the page's policy names the script."""
    script, style = (
        (files("embedder.report") / "templates" / name).read_text(encoding="utf-8") for name in ("page.js", "page.css")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"style": Markup(style), "script": Markup(script), "script_hash": digest}  # noqa: S704  # our own files


def _fit(value: object) -> object:
    """Of all that a template puts in, whether it asks for `visible` or not."""
    return shown_lines(value, _MOST) if isinstance(value, str) and not isinstance(value, Markup) else value


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
