"""Groups of runs with several seeds as tables: one for each data set and metric."""

from collections.abc import Iterator, Sequence

from embedder.results.plain_text import markdown_cell, markdown_line
from embedder.results.seeds import GroupScore
from embedder.results.statistics import ALPHA, LEVEL
from embedder.results.table import BETTER, WORSE, align, difference_cells


def render_groups(scores: Sequence[GroupScore], baseline: str, left_out: Sequence[str] = ()) -> str:
    """All tables, what their signs mean, and what of the sweep is not in them."""
    named = dict.fromkeys((one.scope, one.metric) for one in scores)
    tables = [_table([one for one in scores if (one.scope, one.metric) == name], baseline) for name in named]
    seeds = ", ".join(scores[0].by_seed)
    legend = (
        f"Seeds {seeds}. ±: standard deviation over seeds. Intervals: {LEVEL * 100:.0f} %, paired, over queries and "
        f"seeds; not corrected. {BETTER} better, {WORSE} worse than {markdown_cell(baseline)}: p < {ALPHA:.2f} after "
        "Holm's correction for all comparisons of data sets, and apart from them of means."
    )
    without = ["\n".join(["Left out:", *(f"- {markdown_line(one, 200)}" for one in left_out)])] if left_out else []
    return "\n\n".join([*tables, legend, *without]) + "\n"


def _table(scores: Sequence[GroupScore], baseline: str) -> str:
    scope = markdown_cell(f"{scores[0].scope}, {scores[0].metric}")
    head = [scope, "mean", "±", f"minus {markdown_cell(baseline)}", f"{LEVEL * 100:.0f} % interval", "p"]
    return align([head, *(list(_cells(one)) for one in scores)])


def _cells(one: GroupScore) -> Iterator[str]:
    yield markdown_cell(one.group)
    yield f"{one.mean:.3f}"
    yield f"{one.spread:.3f}"
    yield from ("", "", "") if one.verdict is None else difference_cells(one.verdict)
